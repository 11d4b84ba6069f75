"""The collector: market data of the exchange becomes one batch per partition and second in `btc.ticks`.

    frame ─MarketData▶ event ─OpenSeconds▶ open second ─close▶ TickBatch ─TicksLog▶ Kafka

It fills the partitions that the group assigns to this replica and keeps nothing: a partition goes on from its newest
batch in Kafka.
"""

import asyncio
import contextlib
import math
from collections.abc import Callable, Mapping

from aiokafka.errors import KafkaError

from app.clock import steady_ms
from app.collector.clock_sync import ClockSync
from app.collector.collector_metrics import CollectorMetrics
from app.collector.frame_recorder import FrameRecorder
from app.collector.gaps_log import GapsLog
from app.collector.group_membership import GroupMembership
from app.collector.market_data import MarketData
from app.collector.market_streams import MarketStreams
from app.collector.partitions import Partitions
from app.collector.rest_client import RestClient
from app.collector.symbol_check import SymbolCheck
from app.collector.ticks_log import TicksLog
from app.domain.ticks import Event
from app.kafka import topics
from app.kafka.topics import BACKFILL, GAPS, TICKS, TopicError
from app.metrics import TICKS_FUTURE, TICKS_LAG, TICKS_SILENT
from app.retry import error_reason, keep_running
from app.service import limits
from app.settings import Settings

KAFKA_ERRORS = (KafkaError, TopicError, OSError, TimeoutError)
FIRST_WAIT_S, LONGEST_WAIT_S = 0.2, 5.0
SHOW_EVERY_S, FIRST_CHECK_S = 0.5, 10.0
SILENT_S = 60.0  # wall time without any frame: connections are replaced before, so the exchange sends nothing
FUTURE_S = 5.0  # wall time: the exchange's clock is never wrong by so much


class MembershipEndedError(Exception):
    """A membership in the collectors' group that Kafka ended; the message is the reason."""


class Collector:
    """One replica: `await Collector(settings).run()`; its `progress` is described in `CollectorMetrics`."""

    def __init__(self, settings: Settings, kafka_answering_s: Callable[[], float] = lambda: math.inf) -> None:
        self._settings, self._kafka_answering_s = settings, kafka_answering_s
        self._metrics = CollectorMetrics()
        self._rest = RestClient(settings.exchange_rest_url)
        self._clock_sync = ClockSync(settings, self._rest)
        self._market = MarketData(settings, self._metrics, self._update, self._clock_sync.update_trade)
        folder = settings.record_frames
        self._recorder = FrameRecorder(folder, self._market.receive) if folder else None
        self._streams = MarketStreams(settings, on_frame=(self._recorder or self._market).receive)
        self._symbols = SymbolCheck(settings.symbols, self._rest, on_change=self._expect)
        self._partitions: Partitions | None = None  # of the current membership

    @property
    def note(self) -> str:
        """One line for the heartbeat: the symbols that do not trade, or ""."""
        return self._symbols.note

    @property
    def progress(self) -> dict[str, float]:
        """Figures for the heartbeat, always the same dict, updated twice a second."""
        return self._metrics.progress

    def stall_reason(self) -> str:
        """Return why it makes no progress, or "": while Kafka answers, the seconds of its partitions are written."""
        lag_s = self._lag_s()
        is_stuck = min(lag_s, self._kafka_answering_s()) > limits.STUCK_S
        return f"no second was written for {lag_s:.0f} s" if is_stuck else ""

    def not_ready_reason(self) -> str:
        """Return what it needs to collect and does not have, or "": connection, exchange's clock, frames, membership.

        A topic that holds seconds of the future is waited for, and said too.
        """
        if not self._streams.connection_count:
            return f"the exchange at {self._settings.exchange_ws_url} cannot be reached"
        if len(self._symbols.not_trading) == len(self._settings.symbols):
            return self.note
        if not self._market.ready.is_set():
            return "the exchange's clock is not known yet"
        if (silent_s := self._silent_s()) > SILENT_S:
            return f"the exchange has sent nothing for {silent_s:.0f} s"
        return self._partitions_reason()

    def _partitions_reason(self) -> str:
        if not self._partitions:
            return "Kafka cannot be used yet"
        ahead_s = self._partitions.ahead_s
        is_ahead = ahead_s > FUTURE_S
        return f"btc.ticks is {ahead_s:.0f} s ahead of the exchange's clock" if is_ahead else ""

    async def run(self) -> None:
        """Collect until cancelled; then write the complete seconds and leave the group."""
        try:
            async with asyncio.TaskGroup() as tasks:
                steps = (
                    self._streams.run(), self._run_clock(), self._run_symbol_check(), self._run_memberships(),
                    self._show_progress(),
                )  # fmt: skip
                for step in steps:
                    tasks.create_task(step)
                if self._recorder:
                    tasks.create_task(self._recorder.run())
        finally:
            await self._rest.close()

    def _update(self, event: Event) -> None:
        if self._partitions is not None:
            self._partitions.update(event)

    async def _run_clock(self) -> None:
        # An emulator's replay waits for its first listener: its clock is undefined before the first frame.
        await self._market.first_frame.wait()
        await self._clock_sync.run(self._market.update_clock)

    async def _run_symbol_check(self) -> None:
        # A replay is unknown before its first frame; after half a minute without one a symbol is perhaps the reason.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._market.first_frame.wait(), FIRST_CHECK_S)
        await self._symbols.run()

    def _expect(self, not_trading: Mapping[str, str]) -> None:
        self._streams.ignore(frozenset(not_trading))

    async def _run_memberships(self) -> None:
        await keep_running(
            self._run_membership, "stay in the collectors' group", process="collector",
            on=MembershipEndedError, first_wait_s=FIRST_WAIT_S, longest_wait_s=LONGEST_WAIT_S,
        )  # fmt: skip

    async def _run_membership(self) -> None:
        try:
            await topics.ensure(self._settings, (TICKS, GAPS, BACKFILL))
            async with TicksLog(self._settings) as ticks_log, GapsLog(self._settings) as gaps_log:
                await self._run_partitions(ticks_log, gaps_log)
        except KAFKA_ERRORS as error:
            raise MembershipEndedError(error_reason(error)) from error
        except BaseExceptionGroup as group:
            if group.split(KAFKA_ERRORS)[1]:
                raise
            raise MembershipEndedError(_first_reason(group)) from group

    async def _run_partitions(self, ticks_log: TicksLog, gaps_log: GapsLog) -> None:
        self._partitions = Partitions(
            self._settings,
            GroupMembership(self._settings),
            ticks_log,
            gaps_log,
            self._market,
            self._rest,
            self._metrics,
            is_connected=lambda: self._streams.connection_count > 0,
        )
        try:
            await self._partitions.run()
        finally:
            self._partitions = None

    async def _show_progress(self) -> None:
        while True:
            self.progress["connections"] = self._streams.connection_count
            self.progress["not_trading"] = len(self._symbols.not_trading)
            self.progress["partitions"] = self._partitions.count if self._partitions else 0
            self._show_lags()
            await asyncio.sleep(SHOW_EVERY_S)

    def _show_lags(self) -> None:
        ahead_s = self._partitions.ahead_s if self._partitions and self._market.ready.is_set() else 0.0
        for name, gauge, value in (
            ("lag_s", TICKS_LAG, self._lag_s()),
            ("silent_s", TICKS_SILENT, self._silent_s()),
            ("ahead_s", TICKS_FUTURE, ahead_s),
        ):
            self.progress[name] = value
            gauge.set(value)

    def _silent_s(self) -> float:
        return max(steady_ms() - self._market.received_ms, 0.0) / 1000

    def _lag_s(self) -> float:
        # A replica without a partition has nothing to be late with.
        return self._partitions.lag_s if self._partitions and self._market.ready.is_set() else 0.0


def _first_reason(group: BaseExceptionGroup[BaseException]) -> str:
    first = group.exceptions[0]
    return _first_reason(first) if isinstance(first, BaseExceptionGroup) else error_reason(first)


async def run(settings: Settings) -> None:
    """Collect until cancelled."""
    await Collector(settings).run()
