"""One run: the feed becomes live, faults come and go, it gets time to repair, and is judged."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from app.clock import wall_ms
from app.emulator.sent_record import SentRecord
from app.kafka.topics import by_partition
from benchmarks.chaos.cases import Case, described
from benchmarks.chaos.follower import Follower, following
from benchmarks.chaos.judge import Expectation, Judgement, judge
from benchmarks.chaos.readers import TopicsOfRun, accepted
from benchmarks.chaos.results import CaseResult
from benchmarks.chaos.rig import Rig, clock_of
from benchmarks.chaos.timeline import FaultWindow, Times, times_of, window_of

LIVE_BATCHES = 3  # of each partition, on time, one after the other: the feed is live
LIVE_PATIENCE_S = 90.0
SETTLE_S, DRAIN_S, LOOK_EVERY_S = 8.0, 40.0, 2.0
FLUSHED_S = 0.7  # the record on disk is so far behind at most
MARGIN_S = 3  # the last seconds of a run are not owed: they are being closed


@dataclass(frozen=True)
class Patience:
    """How long a run waits for repairs after its faults: at least `settle_s`, at most `drain_s`."""

    settle_s: float = SETTLE_S
    drain_s: float = DRAIN_S


class NotLiveError(RuntimeError):
    """A feed that was not live before any fault; the message says how long."""


async def run_case(
    case: Case, rig: Rig, commit: str, *, patience: Patience = Patience(), say: Callable[[str], None] = lambda _: None
) -> CaseResult:
    """Run a case and return its result; a feed that never becomes live owes everything since its first frame.

    Raises:
        NotLiveError: the feed was not live before the faults.

    """
    started_s = time.monotonic()
    async with following(rig.settings) as (follower, consumer):
        run = _Run(case, rig, follower, patience, say)
        await run.until_drained()
        state, until_s = await rig.state(), await run.until_s()
        run.look_for_signs()
        note = await rig.stop_collector()
        await follower.catch_up(consumer)
    judgement, times, first_batch_s = await run.verdict(until_s)
    requests = state["requests"]
    return CaseResult(
        name=case.name, seed=case.seed, commit=commit, measured=datetime.now(UTC).strftime("%Y-%m-%d %H:%M"),
        faults=[described(fault) for fault in case.faults], judgement=judgement, times=times,
        first_batch_s=first_batch_s, handshakes=requests.get("streams", 0) - run.requests_before.get("streams", 0),
        requests=requests.get("rest", 0) - run.requests_before.get("rest", 0), rss_mb=round(rig.rss_mb, 1),
        took_s=round(time.monotonic() - started_s, 1), note=note,
    )  # fmt: skip


class _Run:
    """The steps of one run."""

    def __init__(
        self, case: Case, rig: Rig, follower: Follower, patience: Patience, say: Callable[[str], None]
    ) -> None:
        self._case, self._rig, self._topics = case, rig, follower.topics
        self._patience, self._say = patience, say
        self._window = FaultWindow(0.0, 0.0)
        self._since_us = 0  # exchange time when the feed was live
        self._sign_ms: float | None = None  # wall clock
        self.requests_before: dict[str, int] = {}

    async def until_drained(self) -> None:
        """Start the collector, break what the case breaks, wait for its end and for the repairs."""
        if not self._case.at_start:
            await self._rig.start_collector()
            await self._until_live()
        await self._begin_faults()
        if self._case.at_start:
            await self._rig.start_collector()
        await self._until_faults_end()
        await self._drain()

    async def _until_live(self) -> None:
        deadline_s = time.monotonic() + LIVE_PATIENCE_S
        while not self._is_live():
            if time.monotonic() > deadline_s:
                raise NotLiveError(f"the feed was not live after {LIVE_PATIENCE_S:g} s")
            await asyncio.sleep(0.25)
        self._since_us = int((await self._rig.state())["now_ms"] * 1000)
        self._say("live")

    def _is_live(self) -> bool:
        batches = accepted(self._topics.ticks)
        wanted = by_partition(self._rig.settings.symbols, self._rig.settings.partitions)
        return all(
            len(newest := batches.get(one, [])[-LIVE_BATCHES:]) == LIVE_BATCHES
            and not any(written.batch.late for written in newest)
            for one in wanted
        )

    async def _begin_faults(self) -> None:
        self.requests_before = dict((await self._rig.state())["requests"])
        begins_ms = wall_ms()
        if self._case.faults:
            await self._rig.inject(self._case.faults)
            record = SentRecord(self._rig.record)
            self._window = window_of(record.faults)
        else:
            self._window = FaultWindow(begins_ms, begins_ms + 1000 * self._case.lasts_s)
        if self._case.clock_step_s:
            await self._rig.step_clock(self._case.clock_step_s)
        self._say("faults begin: " + "; ".join(described(fault) for fault in self._case.faults))

    async def _until_faults_end(self) -> None:
        await self._rig.until_faults_end(self._window.ends_ms)
        if self._case.clock_step_s:
            await self._rig.step_clock(0.0)
        self._say("faults are over")

    async def _drain(self) -> None:
        await asyncio.sleep(self._patience.settle_s)
        deadline_s = time.monotonic() + self._patience.drain_s - self._patience.settle_s
        while time.monotonic() < deadline_s:
            judgement = await self._judge(await self.until_s())
            if not judgement.may_improve:
                return
            self._say(f"not yet: {', '.join(judgement.violations) or 'open'} {judgement.open or ''}")
            await asyncio.sleep(LOOK_EVERY_S)

    def look_for_signs(self) -> None:
        """Look for the first sign of the faults in log and metrics; the collector's end writes lines of its own."""
        self._sign_ms = self._rig.first_sign_ms(self._window.begins_ms)

    async def until_s(self) -> int:
        """Return the exchange's second before which everything is owed now."""
        state = await self._rig.state()
        return int(state["now_ms"] / 1000 - MARGIN_S * state["speed"])

    async def verdict(self, until_s: int) -> tuple[Judgement, Times, float | None]:
        """Return the judgement, the times of the faults, and the time from the first frame to the first batch."""
        judgement = await self._judge(until_s)
        expectation, record = await self._expectation(until_s), SentRecord(self._rig.record)
        times = await asyncio.to_thread(times_of, record, self._topics, expectation, self._window, self._sign_ms)
        return judgement, times, self._first_batch_s(record)

    def _first_batch_s(self, record: SentRecord) -> float | None:
        sent = record.messages["at_us"][record.messages["copies"] > 0]
        first_ms = min((written.appended_ms for written in self._topics.ticks), default=None)
        return (first_ms - int(sent.min()) / 1000) / 1000 if first_ms is not None and len(sent) else None

    async def _judge(self, until_s: int) -> Judgement:
        seen = self._topics
        topics = TopicsOfRun(list(seen.ticks), list(seen.backfill), list(seen.gaps))
        await asyncio.sleep(FLUSHED_S)  # the record has by then what the topics have
        expectation = await self._expectation(until_s)
        return await asyncio.to_thread(judge, SentRecord(self._rig.record), topics, expectation)

    async def _expectation(self, until_s: int) -> Expectation:
        settings = self._rig.settings
        return Expectation(
            settings.symbols, settings.partitions, clock_of(await self._rig.state()), until_s, self._since_us,
            is_wall_clock_wrong=bool(self._case.clock_step_s),
        )  # fmt: skip
