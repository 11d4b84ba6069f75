"""Asks one broker every few seconds, and knows whether it is ready and what its metrics are."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from app.kafka_monitor import broker_metrics
from app.kafka_monitor.broker_client import BrokerConnection, LagReader, PartitionReader, read_quorum
from app.kafka_monitor.broker_view import BrokerView, Quorum
from app.logs import logger
from app.retry import error_reason
from app.service.loop_watch import LoopWatch
from app.settings import Settings

PARTITIONS_EVERY_S, QUORUM_EVERY_S, LAG_EVERY_S = 2.0, 1.0, 10.0
REPEAT_S = 60.0  # between two log lines of one reason
log = logger("kafka-monitor")


class Monitor:
    """The latest answers of one broker, and how old they are; `clock` gives monotonic seconds."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        host, _, port = settings.bootstrap.partition(",")[0].rpartition(":")
        self.address = (host, int(port))
        self._settings, self._clock = settings, clock
        self._loops = LoopWatch()
        self.is_answering = False
        self.view: BrokerView | None = None
        self.quorum: Quorum | None = None
        self._reason = "this broker has not answered yet"
        self._seen_s = self._majority_s = float("-inf")
        self._whole_since_s = float("inf")
        self._epoch = -1
        self._logged = ("", float("-inf"))

    def not_ready_reason(self) -> str:
        """Return why this broker is not ready, or ""."""
        return self._reason

    def stall_reason(self) -> str:
        """Return which question has been open for too long, or ""; a broker that is away is no reason."""
        return self._loops.stall_reason()

    def silent_s(self) -> float:
        """Return for how long nothing is known of the broker, or of controllers with a majority."""
        return self._clock() - min(self._seen_s, self._majority_s)

    def whole_s(self) -> float:
        """Return for how long all controllers have been there and caught up without a break; 0 while they are not."""
        return max(0.0, self._clock() - self._whole_since_s)

    def update_view(self, view: BrokerView | None, reason: str = "") -> None:
        """Record what the broker said just now, or why it did not answer."""
        broker_metrics.show_view(self._settings.instance, view, self.view)
        self.is_answering = view is not None
        if view is not None:
            self.view, self._seen_s, reason = view, self._clock(), view.not_ready_reason()
        self._reason = reason
        self._report(reason)

    def update_quorum(self, quorum: Quorum | None) -> None:
        """Record the state of the controllers, or that it cannot be had."""
        now_s, self.quorum = self._clock(), quorum
        if quorum is not None and quorum.has_majority():
            self._majority_s = now_s
        if quorum is None or not quorum.is_whole():
            self._whole_since_s = float("inf")
        elif quorum.epoch == self._epoch:
            self._whole_since_s = min(self._whole_since_s, now_s)
        else:  # an election between two questions: the leader before was away
            self._whole_since_s, self._epoch = now_s, quorum.epoch
        broker_metrics.show_quorum(self._settings.instance, quorum)

    async def run(self) -> None:
        """Ask until cancelled."""
        connections = [BrokerConnection(self._settings, self.address) for _ in range(3)]
        partitions, lag = PartitionReader(connections[0]), LagReader(self._settings, connections[2])

        async def read_view() -> None:
            try:
                self.update_view(await partitions.read())
            except Exception as error:
                host, port = self.address
                self.update_view(None, f"this broker, {host}:{port}, does not answer: {error_reason(error)}")
                raise

        async def read_controllers() -> None:
            try:
                self.update_quorum(await read_quorum(connections[1]))
            except Exception:
                self.update_quorum(None)
                raise

        async def read_lag() -> None:
            broker_metrics.show_lag(await lag.read())

        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._repeat("partitions", read_view, PARTITIONS_EVERY_S))
                group.create_task(self._repeat("controllers", read_controllers, QUORUM_EVERY_S))
                group.create_task(self._repeat("lag", read_lag, LAG_EVERY_S))
        finally:
            lag.close()
            for one in connections:
                one.close()

    async def _repeat(self, what: str, read: Callable[[], Awaitable[None]], every_s: float) -> None:
        while True:
            self._loops.beat(what)
            try:
                await read()
            except Exception as error:  # noqa: BLE001 – a monitor that ended would report the past for ever
                log.debug("no answer", question=what, reason=error_reason(error))
            await asyncio.sleep(every_s)

    def _report(self, reason: str) -> None:
        """Log a change, and what lasts once a minute."""
        was, logged_s = self._logged
        if bool(reason) == bool(was) and (not reason or self._clock() - logged_s < REPEAT_S):
            return
        self._logged = (reason, self._clock())
        if reason:
            log.warning("the broker is not ready", reason=reason)
        else:
            log.info("the broker is ready")
