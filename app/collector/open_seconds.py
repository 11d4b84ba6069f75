"""The open second of every partition that this replica fills."""

import asyncio
from collections.abc import Iterator

from app.clock import Clock, wall_ms
from app.collector.collector_metrics import CollectorMetrics
from app.domain.cutter import Cutter
from app.domain.ticks import Event
from app.records import TickBatch

LATE_MS = 1000.0  # wall time: a second closed so long after its end was filled after the fact


class OpenSeconds:
    """The cutters of this replica's partitions: `update` with events, `close_due` seconds."""

    def __init__(self, partition_of: dict[str, int], metrics: CollectorMetrics) -> None:
        self.changed = asyncio.Event()  # a second may be closable, or a partition was added
        self._partition_of, self._metrics = partition_of, metrics
        self._cutters: dict[int, Cutter] = {}
        self._generations: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._cutters)

    def add(self, cutter: Cutter, generation: int) -> None:
        """Fill a partition from its cutter's second on; its batches carry the generation."""
        self._cutters[cutter.partition], self._generations[cutter.partition] = cutter, generation
        self.changed.set()

    def remove(self, partition: int) -> None:
        """Fill a partition no longer; its open second is dropped."""
        self._cutters.pop(partition, None)

    def update(self, event: Event, clock: Clock) -> None:
        """Add an event to the second of its partition; events of other replicas' partitions are ignored."""
        cutter = self._cutters.get(self._partition_of[event.symbol])
        if cutter is None:
            return
        if reason := cutter.implausible(event, clock.exchange_ms()):
            self._metrics.count_malformed(reason, event)
        elif not cutter.add(event):
            self._metrics.count_repeated()
        elif cutter.later:
            self.changed.set()

    def close_due(self, clock: Clock, grace_ms: float) -> list[TickBatch]:
        """Close the seconds that are over, `grace_ms` of wall time after their end; return them, oldest first."""
        now_ms, batches = clock.exchange_ms(), list[TickBatch]()
        for partition, cutter in self._cutters.items():
            while cutter.closable(now_ms, grace_ms):
                late = now_ms > (cutter.second + 1) * 1000 + LATE_MS * clock.rate
                batches.append(cutter.close(wall_ms(), self._generations[partition], late=late))
                self._metrics.count_closed(cutter)
        return sorted(batches, key=lambda batch: batch.second)

    def due_in_s(self, clock: Clock, grace_ms: float) -> float | None:
        """Return the wall time until the next second closes at the latest; None without a partition."""
        due_ms = min((cutter.due_ms(grace_ms) for cutter in self._cutters.values()), default=None)
        return None if due_ms is None else (clock.wall_of_ms(due_ms) - wall_ms()) / 1000

    def gaps(self) -> Iterator[tuple[Cutter, str]]:
        """Yield each symbol with gaps in its trade ids, and its cutter."""
        return ((cutter, symbol) for cutter in self._cutters.values() for symbol, _ in cutter.holes())
