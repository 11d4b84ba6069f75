"""The Kafka side of the collector. What enters: events; what leaves: batches of the partitions this replica fills.

A partition is gained, goes on from its last batch, and is lost; whatever goes wrong here (a broker gone, a process
that slept) ends in the same way: the membership ends, and the next one takes everything over anew.
"""

import asyncio
import time
from collections.abc import Coroutine
from contextlib import suppress

from app.clock import wall_ms
from app.collector.collector_metrics import CollectorMetrics
from app.collector.gap_filling import fill
from app.collector.group_membership import SESSION_MS, GroupMembership
from app.collector.intake import Intake
from app.collector.rest_client import RestClient
from app.collector.takeover import take_over
from app.collector.ticks_log import TicksLog
from app.domain.tick_batcher import TickBatcher
from app.domain.ticks import Event
from app.kafka import topics
from app.logs import logger
from app.records import TickBatch
from app.settings import Settings

LATE_MS = 1000.0  # wall time: a second closed so long after its end was filled after the fact
LOOK_S = 0.25  # holes are looked for, and a sleeping cutter looks up, this often
LAST_WORDS_S = 5.0
MOST_WAITING = 1200  # rounds of batches that may wait for acknowledgements
log = logger("collector")


class Partitions:
    """The partitions of one membership in the collectors' group; `run` once."""

    def __init__(
        self, settings: Settings, ledger: TicksLog, intake: Intake, refill: RestClient, tally: CollectorMetrics
    ) -> None:
        self._settings, self._ledger, self._tally = settings, ledger, tally
        self._intake, self._refill = intake, refill
        self._symbols = topics.by_partition(settings.symbols, settings.partitions)
        self._home = {symbol: home for home, symbols in self._symbols.items() for symbol in symbols}
        self._owner = GroupMembership(settings, self._gain, self._lose)
        self._cutters: dict[int, TickBatcher] = {}
        self._generations: dict[int, int] = {}
        self._work: dict[tuple[int, str], asyncio.Task[None]] = {}  # a partition's takeover (""), a symbol's holes
        self._closed: asyncio.Queue[list[TickBatch]] = asyncio.Queue()
        self._wake = asyncio.Event()
        self._tasks = asyncio.TaskGroup()

    @property
    def count(self) -> int:
        """How many partitions are filled here."""
        return len(self._cutters)

    def hear(self, event: Event) -> None:
        """Take an event; those of partitions that others fill are left out."""
        cutter = self._cutters.get(self._home[event.symbol])
        if cutter is None:
            return
        if reason := cutter.implausible_reason(event, self._intake.clock.exchange_ms()):
            self._intake.reject(reason, event)
        elif not cutter.add(event):
            self._tally.progress["repeated"] += 1
        elif cutter.has_later_trade:
            self._wake.set()

    async def run(self) -> None:
        """Be a member, fill what is given, until cancelled or until Kafka fails.

        Raises:
            KafkaError, TimeoutError: as a group; start anew.

        """
        writing = asyncio.create_task(self._write(), name="writer of batches")
        try:
            async with self._tasks:
                await self._owner.start()
                for step in (self._owner.stay(), self._close(), self._fill(), self._watch(writing)):
                    self._tasks.create_task(step)
        except asyncio.CancelledError:
            if self._intake.ready.is_set():
                self._cut(grace_ms=0.0)  # what is complete; after a failure the next membership does better
            raise
        finally:
            await self._leave(writing)

    # ── closing and writing ───────────────────────────────────────────────────────────────────────────────────

    async def _close(self) -> None:
        await self._intake.ready.wait()
        looked_s = time.monotonic()
        while True:
            if time.monotonic() - looked_s > SESSION_MS / 1000:
                raise TimeoutError("this process slept, others may have its partitions")
            if self._closed.qsize() > MOST_WAITING:
                raise TimeoutError(f"{MOST_WAITING} rounds of batches wait for acknowledgements")
            looked_s = time.monotonic()
            self._cut(self._grace_ms)
            self._wake.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), self._sleep_s())

    @property
    def _grace_ms(self) -> float:
        # What happened in the second's last moment is still under way when it ends.
        return self._settings.grace_ms + self._intake.transit_ms

    def _cut(self, grace_ms: float) -> None:
        clock = self._intake.clock
        now_ms, batches = clock.exchange_ms(), []
        for partition, cutter in self._cutters.items():
            while cutter.is_closable(now_ms, grace_ms):
                late = now_ms > (cutter.second + 1) * 1000 + LATE_MS * clock.rate
                batches.append(cutter.close(wall_ms(), self._generations[partition], late=late))
                self._tally.closed(cutter)
        if batches:
            batches.sort(key=lambda batch: batch.second)
            self._closed.put_nowait(batches)

    def _sleep_s(self) -> float:
        clock = self._intake.clock
        due_ms = min((cutter.due_ms(self._grace_ms) for cutter in self._cutters.values()), default=None)
        return LOOK_S if due_ms is None else min(max((clock.wall_of_ms(due_ms) - wall_ms()) / 1000, 0.0005), LOOK_S)

    async def _write(self) -> None:
        while True:
            batches = await self._closed.get()
            await self._ledger.write(batches)
            for batch in batches:
                self._tally.written(batch, self._intake.clock)
            self._closed.task_done()

    async def _watch(self, writing: "asyncio.Task[None]") -> None:
        await asyncio.shield(writing)

    async def _leave(self, writing: "asyncio.Task[None]") -> None:
        for work in self._work.values():
            work.cancel()
        written = asyncio.create_task(self._closed.join())
        await asyncio.wait([writing, written], timeout=LAST_WORDS_S, return_when=asyncio.FIRST_COMPLETED)
        for task in (writing, written):
            task.cancel()
        await asyncio.gather(writing, written, return_exceptions=True)
        await self._owner.stop()

    # ── gaining and losing ────────────────────────────────────────────────────────────────────────────────────

    async def _gain(self, partitions: set[int]) -> None:
        for partition in partitions & self._symbols.keys():
            self._do(partition, "", self._take_over(partition))

    async def _lose(self, partitions: set[int]) -> None:
        for partition in partitions:
            self._cutters.pop(partition, None)
        for key in [key for key in self._work if key[0] in partitions]:
            self._work.pop(key).cancel()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._closed.join(), LAST_WORDS_S)

    async def _take_over(self, partition: int) -> None:
        await self._intake.ready.wait()
        await self._closed.join()
        place = await self._ledger.place(partition)
        cutter = await take_over(partition, self._symbols[partition], place, self._intake, self._refill)
        self._generations[partition] = max(self._owner.generation, place.generation + 1 if place else 0)
        self._cutters[partition] = cutter
        log.info("fills a partition", partition=partition, symbols=len(cutter.buffers), from_second=cutter.second,
                 generation=self._generations[partition])  # fmt: skip
        self._wake.set()

    async def _fill(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            for partition, cutter in self._cutters.items():
                for symbol, _ in cutter.gaps():
                    if (partition, symbol) not in self._work:
                        self._do(partition, symbol, self._fill_holes(cutter, symbol))

    async def _fill_holes(self, cutter: TickBatcher, symbol: str) -> None:
        self._tally.progress["refilled"] += await fill(cutter, symbol, self._refill)

    def _do(self, partition: int, symbol: str, work: Coroutine[None, None, None]) -> None:
        self._work[partition, symbol] = task = self._tasks.create_task(work)
        task.add_done_callback(lambda done: self._done(partition, symbol, done))

    def _done(self, partition: int, symbol: str, task: "asyncio.Task[None]") -> None:
        if self._work.get((partition, symbol)) is task:
            del self._work[partition, symbol]
