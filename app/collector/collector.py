"""The collector: market data of the exchange becomes one batch per partition and second in `btc.ticks`.

    frame ─MarketData▶ event ─OpenSeconds▶ open second ─close▶ TickBatch ─TicksLog▶ Kafka

It fills the partitions that the group assigns to this replica and keeps nothing: a partition goes on from its newest
batch in Kafka.
"""

import asyncio
import math
from collections.abc import Callable

from aiokafka.errors import KafkaError

from app.collector import clock_sync
from app.collector.collector_metrics import CollectorMetrics
from app.collector.gaps_log import GapsLog
from app.collector.group_membership import GroupMembership
from app.collector.market_data import MarketData
from app.collector.market_streams import MarketStreams
from app.collector.partitions import Partitions
from app.collector.rest_client import RestClient
from app.collector.ticks_log import TicksLog
from app.domain.ticks import Event
from app.kafka import topics
from app.kafka.topics import BACKFILL, GAPS, TICKS, TopicError
from app.retry import error_reason, keep_running
from app.service import limits
from app.settings import Settings

KAFKA_ERRORS = (KafkaError, TopicError, OSError, TimeoutError)
FIRST_WAIT_S, LONGEST_WAIT_S = 0.2, 5.0
SHOW_EVERY_S = 0.5


class MembershipEndedError(Exception):
    """A membership in the collectors' group that Kafka ended; the message is the reason."""


class Collector:
    """One replica: `await Collector(settings).run()`; its `progress` is described in `CollectorMetrics`."""

    def __init__(self, settings: Settings, kafka_answering_s: Callable[[], float] = lambda: math.inf) -> None:
        self._settings, self._kafka_answering_s = settings, kafka_answering_s
        self._metrics = CollectorMetrics()
        self._rest = RestClient(settings.exchange_rest_url)
        self._market = MarketData(settings, self._metrics, on_event=self._update)
        self._streams = MarketStreams(settings, on_frame=self._market.receive)
        self._partitions: Partitions | None = None  # of the current membership

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
        """Return what it needs to collect and does not have, or "": connection, exchange's clock, membership."""
        if not self._streams.connection_count:
            return f"the exchange at {self._settings.exchange_ws_url} cannot be reached"
        if not self._market.ready.is_set():
            return "the exchange's clock is not known yet"
        return "" if self._partitions else "Kafka cannot be used yet"

    async def run(self) -> None:
        """Collect until cancelled; then write the complete seconds and leave the group."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for step in (self._streams.run(), self._run_clock(), self._run_memberships(), self._show_progress()):
                    tasks.create_task(step)
        finally:
            await self._rest.close()

    def _update(self, event: Event) -> None:
        if self._partitions is not None:
            self._partitions.update(event)

    async def _run_clock(self) -> None:
        # An emulator's replay waits for its first listener: its clock is undefined before the first frame.
        await self._market.first_frame.wait()
        await clock_sync.run(self._settings, self._rest, self._market.update_clock)

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
            self.progress["partitions"] = self._partitions.count if self._partitions else 0
            self.progress["lag_s"] = self._lag_s()
            await asyncio.sleep(SHOW_EVERY_S)

    def _lag_s(self) -> float:
        # A replica without a partition has nothing to be late with.
        if not (self._partitions and self._partitions.count and self._market.ready.is_set()):
            return 0.0
        clock = self._market.clock
        newest_s = self.progress.get("second", self._market.started_ms / 1000)
        return max((clock.exchange_ms() / 1000 - newest_s - 1) / clock.rate, 0.0)


def _first_reason(group: BaseExceptionGroup[BaseException]) -> str:
    first = group.exceptions[0]
    return _first_reason(first) if isinstance(first, BaseExceptionGroup) else error_reason(first)


async def run(settings: Settings) -> None:
    """Collect until cancelled."""
    await Collector(settings).run()
