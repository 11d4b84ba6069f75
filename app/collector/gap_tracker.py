"""The gap ledger between the batchers and Kafka: loaded on assignment, followed while batches are written.

Order makes it safe against kill −9: a hole is found again from the ids in `btc.ticks` until its record is written, and
an id counts as filled only once the brokers have its trade.
"""

import asyncio

from app.collector.collector_metrics import CollectorMetrics
from app.collector.gap_ledger import GapLedger, opened_spans
from app.collector.gaps_log import GapsLog
from app.collector.quote_outages import quote_outage
from app.collector.ticks_log import PartitionTail
from app.domain.id_spans import Spans, spans_of, subtract
from app.domain.tick_batcher import TickBatcher
from app.logs import logger
from app.records import Gap, TickBatch

WRITE_EVERY_S = 0.25
EVERY_ID = 2**63
log = logger("collector")


class GapTracker:
    """The gaps of this replica's partitions: `load` a partition, `open` its holes, `count_written` its batches."""

    def __init__(self, gaps_log: GapsLog, metrics: CollectorMetrics) -> None:
        self.ledger, self._symbols = GapLedger(), set[str]()
        self.refilling = 0  # symbols whose skipped trades are being fetched: the backfill gives way
        self._gaps_log, self._metrics = gaps_log, metrics
        self._loading: dict[int, list[TickBatch]] = {}  # partition → batches written meanwhile
        self._writing = asyncio.Lock()
        self._noted: dict[tuple[str, int], int] = {}  # symbol, generation → restarts of its ids that are noted

    def is_loaded(self, partition: int) -> bool:
        """Return whether holes of the partition may be opened."""
        return self.ledger.generation(partition) is not None

    async def load(
        self, batcher: TickBatcher, tail: PartitionTail | None, generation: int, received_since_ms: float
    ) -> None:
        """Go on with a partition's open gaps, and open those of the tail that have no record; raises KafkaError."""
        partition, symbols = batcher.partition, tuple(batcher.buffers)
        self._loading[partition] = []
        records = await self._gaps_log.read(partition)
        self.ledger.add_partition(partition, generation)
        self._symbols.update(symbols)
        for gap in (gap for gap in records if gap.state == "open"):
            self.ledger.load(gap) if gap.stream == "trades" else self.ledger.load_outage(gap)
        for symbol in symbols:
            of_symbol = [gap for gap in records if gap.symbol == symbol]
            self._reconcile(symbol, partition, tail or PartitionTail(0, generation), of_symbol)
            self._lose_quotes(symbol, partition, tail, received_since_ms)
        for batch in self._loading.pop(partition, ()):
            self.count_written(batch)

    def _reconcile(self, symbol: str, partition: int, tail: PartitionTail, records: list[Gap]) -> None:
        now_ms = (tail.second + 1) * 1000.0
        self.ledger.fill(symbol, spans_of(tail.ids.get(symbol, ())), now_ms)
        known = opened_spans(gap for gap in records if gap.stream == "trades")
        self.open(symbol, partition, subtract(tail.gaps.get(symbol, []), known), "skipped", (now_ms - 60_000, now_ms))
        # Ids beyond the newest one written are the stream's: they come by it, or are found missing again.
        last_id = tail.last_ids.get(symbol, -1)
        self.ledger.hand_over(symbol, [(0, last_id + 1 if last_id >= 0 else EVERY_ID)])

    def _lose_quotes(self, symbol: str, partition: int, tail: PartitionTail | None, received_since_ms: float) -> None:
        # Trades can be fetched; the quotes between the newest batch and the first frame are gone.
        ended_ms = (tail.second + 1) * 1000.0 if tail else received_since_ms
        if ended_ms < received_since_ms:
            outage = quote_outage(symbol, partition, "absent", ended_ms, received_since_ms, received_since_ms)
            self.ledger.add_lost_outage(outage)

    def open(self, symbol: str, partition: int, spans: Spans, reason: str, times_ms: tuple[float, float]) -> int:
        """Open a hole in the trade ids between two exchange times; return how many ids of it are new."""
        from_ms, to_ms = times_ms
        gap = Gap(id="", symbol=symbol, partition=partition, stream="trades", state="open", reason=reason,
                  from_ms=from_ms, to_ms=to_ms, opened_ms=to_ms)  # fmt: skip
        return self.ledger.open(gap, spans)

    def note_restarts(self, symbol: str, partition: int, restarts: list[tuple[int | None, int]], now_ms: float) -> None:
        """Note that the exchange has numbered a symbol's trades anew: ids of before cannot be fetched any more."""
        key = (symbol, self.ledger.generation(partition) or 0)
        for expected, first_id in restarts[self._noted.get(key, 0) :]:
            lost = self.ledger.lose(symbol, self.ledger.open_spans(symbol), now_ms)
            self._metrics.count_lost(symbol, lost)
            log.warning("trade ids have started anew", symbol=symbol, expected=expected, first_id=first_id, lost=lost)
            self.ledger.add_restart(symbol, partition, first_id, now_ms)
        self._noted[key] = len(restarts)

    def remove(self, partition: int) -> None:
        """Track a partition no longer: its next owner goes on from the records."""
        self._loading.pop(partition, None)
        self.ledger.remove_partition(partition)

    def count_written(self, batch: TickBatch) -> None:
        """Take the trades of a batch that the brokers have."""
        if batch.partition in self._loading:
            self._loading[batch.partition].append(batch)
            return
        for symbol, ticks in batch.symbols.items():
            if self.ledger.open_count(symbol):
                self.ledger.fill(symbol, spans_of(ticks.trades.id), (batch.second + 1) * 1000.0)

    async def run(self) -> None:
        """Write changed gaps until cancelled; raises KafkaError."""
        while True:
            await asyncio.sleep(WRITE_EVERY_S)
            await self.write()
            self._metrics.show_gaps(self.ledger, self._symbols)

    async def write(self) -> None:
        """Write what changed and return once the brokers have it, and all before it; raises KafkaError."""
        async with self._writing:
            await self._gaps_log.write(self.ledger.take_changes())
