"""The collector: the exchange's stream becomes one batch per partition and second in `btc.ticks`.

    frame ─intake▶ event ─cutter▶ open second ─close▶ TickBatch ─ledger▶ Kafka

What enters: settings. What leaves: `btc.ticks`, of those partitions that the group gives to this replica. Nothing is
kept: a partition that is gained goes on from its last batch in Kafka.
"""

import asyncio
import time

from aiokafka.errors import KafkaError

from app.collector.collector_metrics import CollectorMetrics
from app.collector.intake import Intake
from app.collector.market_streams import HEALTHY_S, MarketStreams, backoff_s
from app.collector.partitions import Partitions
from app.collector.rest_client import RestClient
from app.collector.ticks_log import TicksLog
from app.domain.ticks import Event
from app.kafka import topics
from app.kafka.topics import TICKS, TopicError
from app.logs import logger
from app.metrics import ERRORS
from app.settings import Settings

KAFKA_ERRORS = (KafkaError, TopicError, OSError, TimeoutError)
STUCK_S = 60.0  # wall time: longer than a broker's restart
SHOW_S = 0.5
log = logger("collector")


class Collector:
    """One replica: `await Collector(settings).run()`. `progress` is what it shows of itself, see `CollectorMetrics`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._refill = RestClient(settings.exchange_rest_url)
        self._intake = Intake(settings, self._refill, self._hear)
        self._feed = MarketStreams(settings, self._refill.client, self._intake.receive)
        self._partitions: Partitions | None = None
        self.tally = CollectorMetrics()

    @property
    def progress(self) -> dict[str, float]:
        """What it is doing, refreshed every second in place; see `CollectorMetrics`."""
        return self.tally.progress

    def stall_reason(self) -> str:
        """Return why it makes no progress, or "": seconds it is responsible for must be written."""
        lag_s = self._lag_s()
        return f"no second was written for {lag_s:.0f} s" if lag_s > STUCK_S else ""

    def not_ready_reason(self) -> str:
        """Return what is missing before it can collect, or "": the exchange's clock, a place in the group."""
        if not self._intake.ready.is_set():
            return "the exchange has not been heard yet"
        return "" if self._partitions else "Kafka cannot be used yet"

    async def run(self) -> None:
        """Collect until cancelled; then close what is complete, write it and leave."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for step in (self._feed.run(), self._intake.keep_clock(), self._fill_partitions(), self._show()):
                    tasks.create_task(step)
        finally:
            await self._refill.close()

    async def _show(self) -> None:
        while True:
            self.progress["connections"], self.progress["malformed"] = self._feed.connected, self._intake.malformed
            self.progress["partitions"] = self._partitions.count if self._partitions else 0
            self.progress["lag_s"] = self._lag_s()
            await asyncio.sleep(SHOW_S)

    def _lag_s(self) -> float:
        # A replica that fills no partition now has nothing to be late with.
        if not (self._partitions and self._partitions.count and self._intake.ready.is_set()):
            return 0.0
        clock = self._intake.clock
        since = self.progress.get("second", self._intake.started_ms / 1000)
        return max((clock.exchange_ms() / 1000 - since - 1) / clock.rate, 0.0)

    def _hear(self, event: Event) -> None:
        if self._partitions is not None:
            self._partitions.hear(event)

    async def _fill_partitions(self) -> None:
        failures = 0
        while True:
            started_s = time.monotonic()
            try:
                await self._one_membership()
            except* KAFKA_ERRORS as errors:
                reason = _reason(errors)
                ERRORS.labels("collector", "kafka").inc()
                log.warning("Kafka cannot be used, everything is taken over anew", reason=reason)
            failures = 0 if time.monotonic() - started_s > HEALTHY_S else failures + 1
            await asyncio.sleep(backoff_s(failures))

    async def _one_membership(self) -> None:
        await topics.ensure(self._settings, (TICKS,))
        async with TicksLog(self._settings) as ledger:
            self._partitions = Partitions(self._settings, ledger, self._intake, self._refill, self.tally)
            try:
                await self._partitions.run()
            finally:
                self._partitions = None


def _reason(errors: BaseExceptionGroup[BaseException]) -> str:
    first = errors.exceptions[0]
    return _reason(first) if isinstance(first, BaseExceptionGroup) else str(first) or type(first).__name__


async def run(settings: Settings) -> None:
    """Collect until cancelled."""
    await Collector(settings).run()
