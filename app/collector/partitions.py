"""The partitions that the group assigns to this replica: resumed, filled, closed each second, and revoked.

Every failure here (a broker gone, a process that was suspended) ends the same way: the membership ends, and the next
one takes every partition over anew.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress

from app.collector.backfill import Backfill
from app.collector.batch_writer import FLUSH_TIMEOUT_S, BatchWriter
from app.collector.collector_metrics import CollectorMetrics
from app.collector.fencing import fence_off
from app.collector.gap_filling import fill_gaps
from app.collector.gap_tracker import GapTracker
from app.collector.gaps_log import GapsLog
from app.collector.group_membership import SESSION_MS, GroupMembership
from app.collector.market_data import MarketData
from app.collector.open_seconds import OpenSeconds
from app.collector.partition_progress import PartitionProgress
from app.collector.quote_outages import QuoteOutages
from app.collector.rest_client import RestClient
from app.collector.takeover import take_over
from app.collector.ticks_log import TicksLog
from app.domain.tick_batcher import TickBatcher
from app.domain.ticks import Event
from app.kafka import topics
from app.logs import logger
from app.settings import Settings

CHECK_EVERY_S = 0.25  # gaps and closable seconds are looked for this often, or earlier
SHORTEST_SLEEP_S = 0.0005
LEDGER = "ledger"  # names a partition's work beside the symbols, which are in capitals
MOST_WAITING_BYTES = 128 * 2**20
MOST_WAITING = 1200  # rounds of batches that may wait for acknowledgements
SUSPENDED = "this process was suspended longer than the session timeout; its partitions may be reassigned"
log = logger("collector")


class Partitions:
    """The partitions of one membership in the collectors' group; `run` once."""

    def __init__(
        self,
        settings: Settings,
        membership: GroupMembership,
        ticks_log: TicksLog,
        gaps_log: GapsLog,
        market: MarketData,
        rest: RestClient,
        metrics: CollectorMetrics,
        is_connected: Callable[[], bool] = lambda: True,
    ) -> None:
        self._settings, self._membership, self._ticks_log = settings, membership, ticks_log
        self._market, self._rest, self._metrics = market, rest, metrics
        self._symbols = topics.by_partition(settings.symbols, settings.partitions)
        partition_of = {symbol: partition for partition, symbols in self._symbols.items() for symbol in symbols}
        self._gaps = GapTracker(gaps_log, metrics)
        self._backfill = Backfill(self._gaps, gaps_log, rest, metrics, self._is_live_busy)
        self._quotes, self._is_connected = QuoteOutages(self._gaps.ledger), is_connected
        self._open = OpenSeconds(partition_of, metrics, self._gaps.ledger)
        self._progress = PartitionProgress(metrics.written)
        self._writer = BatchWriter(ticks_log, market, metrics, self._gaps.count_written)
        self._work: dict[tuple[int, str], asyncio.Task[None]] = {}  # takeover (""), ledger, a symbol's gaps
        self._tasks = asyncio.TaskGroup()

    @property
    def count(self) -> int:
        """How many partitions are filled here."""
        return len(self._open)

    @property
    def lag_s(self) -> float:
        """Wall seconds for which the slowest partition assigned has not been written."""
        return self._progress.lag_s(self._market.clock)

    @property
    def ahead_s(self) -> float:
        """Wall seconds by which an open second lies in the future of the exchange's clock."""
        return self._open.ahead_s(self._market.clock)

    def update(self, event: Event) -> None:
        """Add an event to its partition; events of other replicas' partitions are ignored."""
        self._quotes.update(event)
        self._open.update(event, self._market.clock)

    async def run(self) -> None:
        """Be a member and fill the assigned partitions until cancelled.

        Raises:
            KafkaError, TimeoutError: as an exception group; start anew.

        """
        self._writer.start()
        try:
            async with self._tasks:
                await self._membership.start(self._assign, self._revoke)
                for step in (
                    self._membership.run(), self._writer.run(), self._close_seconds(), self._look_for_gaps(),
                    self._gaps.run(), self._backfill.run(),
                ):  # fmt: skip
                    self._tasks.create_task(step)
        except asyncio.CancelledError:
            if self._market.ready.is_set():
                self._close_due(grace_ms=0.0)  # complete seconds; after a failure the next membership does better
            raise
        finally:
            for work in self._work.values():
                work.cancel()
            await self._writer.stop()
            await self._membership.stop()

    # ── assigned and revoked ──────────────────────────────────────────────────────────────────────────────────

    async def _assign(self, partitions: set[int]) -> None:
        for partition in partitions & self._symbols.keys():
            self._progress.assign(partition)
            self._start(partition, "", self._take_over(partition))

    async def _revoke(self, partitions: set[int]) -> None:
        for partition in partitions:
            self._open.remove(partition)
            self._progress.revoke(partition)
            self._gaps.remove(partition)
        for key in [key for key in self._work if key[0] in partitions]:
            self._work.pop(key).cancel()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._writer.flush(), FLUSH_TIMEOUT_S)

    async def _take_over(self, partition: int) -> None:
        await self._market.ready.wait()
        await self._writer.flush()
        tail, generation = await fence_off(partition, self._ticks_log, self._membership)
        batcher = await take_over(partition, self._symbols[partition], tail, self._market, self._rest)
        self._open.add(batcher, generation)
        self._start(partition, LEDGER, self._gaps.load(batcher, tail, generation, self._market.recent_since_ms))
        log.info("fills a partition", partition=partition, symbols=len(batcher.buffers), from_second=batcher.second,
                 generation=generation)  # fmt: skip

    # ── every second ──────────────────────────────────────────────────────────────────────────────────────────

    async def _close_seconds(self) -> None:
        await self._market.ready.wait()
        checked_s = time.monotonic()
        while True:
            if time.monotonic() - checked_s > SESSION_MS / 1000:
                raise TimeoutError(SUSPENDED)
            if self._writer.waiting > MOST_WAITING or self._writer.waiting_bytes > MOST_WAITING_BYTES:
                raise TimeoutError(f"{self._writer.waiting} rounds of batches wait for acknowledgements")
            checked_s = time.monotonic()
            self._close_due(self._grace_ms)
            self._open.changed.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._open.changed.wait(), self._sleep_s())

    @property
    def _grace_ms(self) -> float:
        # Trades of a second's last moment are still in transit when it ends.
        return self._settings.grace_ms + self._market.transit_ms

    def _close_due(self, grace_ms: float) -> None:
        if batches := self._open.close_due(self._market.clock, grace_ms):
            self._writer.put(batches)

    def _sleep_s(self) -> float:
        due_in_s = self._open.due_in_s(self._market.clock, self._grace_ms)
        return CHECK_EVERY_S if due_in_s is None else min(max(due_in_s, SHORTEST_SLEEP_S), CHECK_EVERY_S)

    # ── gaps ──────────────────────────────────────────────────────────────────────────────────────────────────

    async def _look_for_gaps(self) -> None:
        while True:
            await asyncio.sleep(CHECK_EVERY_S)
            self._check_quotes()
            self._check_restarts()
            for batcher, symbol in self._open.gaps():
                if self._gaps.is_loaded(batcher.partition) and (batcher.partition, symbol) not in self._work:
                    self._start(batcher.partition, symbol, self._fill_gaps(batcher, symbol))

    def _check_restarts(self) -> None:
        for batcher, symbol, buffer in self._open.buffers():
            if buffer.ids.restarts and self._gaps.is_loaded(batcher.partition):
                self._gaps.note_restarts(symbol, batcher.partition, buffer.ids.restarts, batcher.second * 1000.0)

    def _check_quotes(self) -> None:
        for partition in filter(self._gaps.is_loaded, self._symbols):
            clock = self._market.clock
            self._quotes.check(
                partition, self._symbols[partition], clock.exchange_ms(), clock.rate, is_connected=self._is_connected()
            )

    def _is_live_busy(self) -> bool:
        return self._gaps.refilling > 0 or any(not symbol for _, symbol in self._work)

    async def _fill_gaps(self, batcher: TickBatcher, symbol: str) -> None:
        await fill_gaps(batcher, symbol, self._rest, self._gaps, self._metrics)

    def _start(self, partition: int, symbol: str, work: Coroutine[None, None, None]) -> None:
        self._work[partition, symbol] = task = self._tasks.create_task(work)
        task.add_done_callback(lambda done: self._forget(partition, symbol, done))

    def _forget(self, partition: int, symbol: str, task: "asyncio.Task[None]") -> None:
        if self._work.get((partition, symbol)) is task:
            del self._work[partition, symbol]
