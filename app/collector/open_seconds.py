"""The open second of every partition that this replica fills."""

import asyncio
from collections.abc import Iterator

from app.clock import Clock, steady_ms, wall_ms
from app.collector.collector_metrics import CollectorMetrics
from app.collector.gap_ledger import GapLedger
from app.domain.tick_batcher import SymbolBuffer, TickBatcher
from app.domain.ticks import Event
from app.records import TickBatch

WINDOWS_S = 300  # exchange time: forecasts look back so far
LATE_MS = 1000.0  # wall time: a second closed so long after its end was filled after the fact


class OpenSeconds:
    """The batchers of this replica's partitions: `update` with events, `close_due` seconds."""

    def __init__(
        self, partition_of: dict[str, int], metrics: CollectorMetrics, ledger: GapLedger | None = None
    ) -> None:
        self.changed = asyncio.Event()  # a second may be closable, or a partition was added
        self._partition_of, self._metrics, self._ledger = partition_of, metrics, ledger or GapLedger()
        self._batchers: dict[int, TickBatcher] = {}
        self._generations: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._batchers)

    def add(self, batcher: TickBatcher, generation: int) -> None:
        """Fill a partition from its batcher's second on; its batches carry the generation."""
        self._batchers[batcher.partition], self._generations[batcher.partition] = batcher, generation
        self._metrics.start(batcher.buffers)
        self.changed.set()

    def remove(self, partition: int) -> None:
        """Fill a partition no longer; its open second is dropped."""
        self._batchers.pop(partition, None)

    def update(self, event: Event, clock: Clock) -> None:
        """Add an event to the second of its partition; events of other replicas' partitions are ignored."""
        batcher = self._batchers.get(self._partition_of[event.symbol])
        if batcher is None:
            return
        now_ms = clock.exchange_ms()
        if reason := batcher.implausible_reason(event, now_ms):
            self._metrics.count_malformed(reason, event)
            return
        for believed in batcher.check(event, now_ms):
            if not batcher.add(believed):
                self._metrics.count_repeated()
            elif batcher.is_ahead(believed.time_ms, now_ms):
                self._metrics.count_ahead(believed.symbol)
            elif batcher.has_later_trade:
                self.changed.set()

    def close_due(self, clock: Clock, grace_ms: float) -> list[TickBatch]:
        """Close the seconds that are over, `grace_ms` of wall time after their end; return them, oldest first."""
        now_ms, batches = clock.exchange_ms(), list[TickBatch]()
        for partition, batcher in self._batchers.items():
            batcher.release(now_ms)
            for trade in batcher.refused():
                self._metrics.count_malformed(f"trade id {trade.id} does not fit those around it", trade)
            while batcher.is_closable(now_ms, grace_ms):
                late = now_ms > (batcher.second + 1) * 1000 + LATE_MS * clock.rate
                self._count_open_ids(batcher)
                batches.append(batcher.close(wall_ms(), self._generations[partition], late=late))
                self._metrics.count_closed(batcher)
        return sorted(batches, key=lambda batch: batch.second)

    def _count_open_ids(self, batcher: TickBatcher) -> None:
        since_ms = (batcher.second - WINDOWS_S) * 1000.0
        for symbol, buffer in batcher.buffers.items():
            buffer.open_ids = self._ledger.open_count(symbol, since_ms)
            buffer.quote_outage = self._ledger.has_outage(symbol, "quotes")

    def due_in_s(self, clock: Clock, grace_ms: float) -> float | None:
        """Return the wall time until the next second closes at the latest; None without a partition."""
        due_ms = min((batcher.due_ms(grace_ms) for batcher in self._batchers.values()), default=None)
        return None if due_ms is None else (clock.wall_of_ms(due_ms) - steady_ms()) / 1000

    def ahead_s(self, clock: Clock) -> float:
        """Return the wall time by which an open second lies in the future, as a topic of another source may; ≥ 0."""
        newest = max((batcher.second for batcher in self._batchers.values()), default=0)
        return max((newest - clock.exchange_ms() / 1000) / clock.rate, 0.0)

    def buffers(self) -> Iterator[tuple[TickBatcher, str, SymbolBuffer]]:
        """Yield each symbol with its batcher and what it has open."""
        for batcher in self._batchers.values():
            yield from ((batcher, symbol, buffer) for symbol, buffer in batcher.buffers.items())

    def gaps(self) -> Iterator[tuple[TickBatcher, str]]:
        """Yield each symbol with gaps in its trade ids, and its batcher."""
        return ((batcher, symbol) for batcher in self._batchers.values() for symbol, _ in batcher.gaps())
