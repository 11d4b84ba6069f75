"""Following of the collector's three topics of one run, as long as it lasts."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import msgspec
from aiokafka import AIOKafkaConsumer, ConsumerRecord

from app.kafka.reading import UNREADABLE, EndOfTopic, assigned, topic_partitions
from app.kafka.topics import BACKFILL, GAPS, TICKS, ensure
from app.records import Gap, TickBatch
from app.settings import Settings
from benchmarks.chaos.readers import TopicsOfRun, WrittenBatch, WrittenGap

SPECS = (TICKS, BACKFILL, GAPS)
POLL_MS = 200
CATCH_UP_S = 20.0


class Follower:
    """Reads `btc.ticks`, `btc.backfill` and `btc.gaps` of one run into `topics`."""

    def __init__(self, settings: Settings) -> None:
        self.topics = TopicsOfRun()
        self._settings = settings
        self._names = {spec.full_name(settings): spec for spec in SPECS}

    async def run(self, consumer: AIOKafkaConsumer) -> None:
        """Read until cancelled."""
        while True:
            for messages in (await consumer.getmany(timeout_ms=POLL_MS)).values():
                for message in messages:
                    self._add(message)

    async def catch_up(self, consumer: AIOKafkaConsumer) -> None:
        """Wait until everything that is written now has been read."""
        end = await EndOfTopic.now(consumer, topic_partitions(self._settings, *SPECS))
        async with asyncio.timeout(CATCH_UP_S):
            while not await end.is_reached():
                await asyncio.sleep(0.1)
        await asyncio.sleep(2 * POLL_MS / 1000)  # what was polled last is being added

    def _add(self, message: ConsumerRecord) -> None:
        spec, value = self._names[message.topic], message.value or b""
        with suppress(*UNREADABLE):
            if spec is GAPS:
                self.topics.gaps.append(WrittenGap(message.timestamp, msgspec.json.decode(value, type=Gap)))
                return
            batches = self.topics.ticks if spec is TICKS else self.topics.backfill
            batches.append(WrittenBatch(message.timestamp, msgspec.json.decode(value, type=TickBatch)))


@asynccontextmanager
async def following(settings: Settings) -> AsyncIterator[tuple[Follower, AIOKafkaConsumer]]:
    """Create the topics of a run, and follow them while the body runs."""
    await ensure(settings)  # all of them, as the collector would
    follower = Follower(settings)
    async with assigned(settings, topic_partitions(settings, *SPECS)) as consumer:
        task = asyncio.create_task(follower.run(consumer), name="follower")
        try:
            yield follower, consumer
        finally:
            task.cancel()
            await asyncio.wait([task])
