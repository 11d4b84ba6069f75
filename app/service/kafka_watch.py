"""Whether Kafka can be used, asked every few seconds: a process waits for it instead of ending.

Without Kafka a process is alive, for a restart would not help, and not ready. It says which brokers are meant, since
when they do not answer, and what to check. Clients of aiokafka do not tell: a read from brokers that are away is an
empty read.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient

from app.kafka import topics
from app.kafka.clients import client_options
from app.logs import logger
from app.retry import error_reason
from app.service import limits
from app.settings import Settings

ASK_EVERY_S, TIMEOUT_S = 2.0, 5.0
REPEAT_S = 60.0  # between two log lines of one outage
TO_CHECK = "is it running, is BTC_KAFKA_URL right, may this process reach it?"
log = logger("kafka")


class KafkaWatch:
    """Knows since when Kafka can be used or not; `clock` gives monotonic seconds."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings, self._clock = settings, clock
        self._answering = asyncio.Event()
        self._since_s = clock()  # of answering, or of not answering
        self._reason = "no answer yet"
        self._logged_s = float("-inf")
        self._has_answered = False

    async def wait(self) -> None:
        """Wait until Kafka can be used."""
        await self._answering.wait()

    def answering_s(self) -> float:
        """Return for how long Kafka can be used without a break; 0 while it cannot."""
        return self._clock() - self._since_s if self._answering.is_set() else 0.0

    def not_ready_reason(self) -> str:
        """Return why nothing can be done without Kafka, or "".

        An outage shorter than `KAFKA_OUTAGE_S`, such as the restart of a broker, does not count.
        """
        away_s = self._clock() - self._since_s
        if self._answering.is_set() or (self._has_answered and away_s < limits.KAFKA_OUTAGE_S):
            return ""
        return f"Kafka at {self._settings.bootstrap} cannot be used for {away_s:.0f} s: {self._reason}; {TO_CHECK}"

    def update(self, reason: str) -> None:
        """Record what was found just now: why Kafka cannot be used, or ""."""
        now_s, was_answering = self._clock(), self._answering.is_set()
        if not reason:
            if not was_answering:
                self._set_answering(now_s)
            return
        self._reason = reason
        if was_answering:
            self._answering.clear()
            self._since_s, self._logged_s = now_s, float("-inf")
        if now_s - self._logged_s >= REPEAT_S:
            self._logged_s = now_s
            log.warning("waiting for Kafka", brokers=self._settings.bootstrap, for_s=round(now_s - self._since_s),
                        reason=reason, check=TO_CHECK)  # fmt: skip

    def _set_answering(self, now_s: float) -> None:
        log.info("Kafka answers", brokers=self._settings.bootstrap, after_s=round(now_s - self._since_s, 1))
        self._since_s, self._has_answered = now_s, True
        self._answering.set()

    async def run(self) -> None:
        """Ask until cancelled."""
        while True:
            try:
                await self._ask()
            except Exception as error:  # noqa: BLE001 – a watch that ended would report the past for ever
                self.update(error_reason(error))
            await asyncio.sleep(ASK_EVERY_S)

    async def _ask(self) -> None:
        # One connection as long as it works: each new one costs the brokers a handshake.
        admin = AIOKafkaAdminClient(**client_options(self._settings), request_timeout_ms=int(1000 * TIMEOUT_S))
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await admin.start()
            while True:
                async with asyncio.timeout(TIMEOUT_S):
                    # All topics: asked for by name, brokers that create topics by themselves would create them.
                    described = await admin.describe_topics()
                self.update(unusable_reason(described, self._settings))
                await asyncio.sleep(ASK_EVERY_S)
        finally:
            await admin.close()


def unusable_reason(described: Iterable[Mapping[str, Any]], settings: Settings) -> str:
    """Return which partition of the pipeline cannot be written, as the brokers describe their topics, or "".

    Topics that do not exist yet are not missed: whoever starts first creates them.
    """
    names = {spec.full_name(settings) for spec in (*topics.ALL, *topics.CHANGELOGS)}
    for topic in described:
        for partition in topic["partitions"] if topic["topic"] in names else ():
            name = f"{topic['topic']}/{partition['partition']}"
            if partition["leader"] < 0:
                return f"partition {name} has no leader"
            if len(partition["isr"]) < settings.min_insync_replicas:
                found, needed = len(partition["isr"]), settings.min_insync_replicas
                return f"partition {name} has {found} of {needed} in-sync replicas"
    return ""


@asynccontextmanager
async def watching(kafka: KafkaWatch) -> AsyncIterator[KafkaWatch]:
    """Ask Kafka while the body runs."""
    task = asyncio.create_task(kafka.run(), name="kafka watch")
    try:
        yield kafka
    finally:
        task.cancel()
        await asyncio.wait([task], timeout=2)
