"""What Kafka tells. What enters: settings; what leaves: topics, messages, groups and their lag. Nothing is written.

Bounded: a few questions at a time, each with a deadline, few messages a page, values cut as soon as they are read.
"""

import asyncio
import time
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from app.kafka import clients
from app.kafka_ui.shapes import SHORT, ConsumerGroup, Lag, Overview, Partition, Topic, TopicMessage, pretty, readable
from app.settings import Settings

AT_ONCE = 4
DEADLINE_S = 8.0
RESTART_S = 4.0  # a broker that restarts is replaced by another within this
FRESH_S = 1.0  # an overview this young answers everybody
PAGE = 50  # messages
PARTITION_BYTES = 1 << 20  # fetched at once from each; one larger message still comes


class NotThereError(LookupError):
    """A topic, message or group that does not exist; the message names it."""


class KafkaCluster:
    """The brokers, seen through one admin client and one consumer; use as `async with`."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.questions = 0
        self._admin = AIOKafkaAdminClient(**clients.client_options(settings))
        self._offsets = clients.assigned_consumer(settings)
        self._gate = asyncio.Semaphore(AT_ONCE)
        self._lock = asyncio.Lock()
        self._known: tuple[float, Overview] | None = None

    async def __aenter__(self) -> Self:
        """Connect."""
        await self._admin.start()
        await self._offsets.start()
        return self

    async def __aexit__(self, *_reason: object) -> None:
        """Disconnect."""
        await self._offsets.stop()
        await self._admin.close()

    async def overview(self) -> Overview:
        """Return all topics and groups; asked by many at once, Kafka is asked once."""
        self.questions += 1
        async with self._lock:
            if self._known is None or time.monotonic() - self._known[0] > FRESH_S:
                async with asyncio.timeout(DEADLINE_S):
                    self._known = (time.monotonic(), await self._look_patiently())
            return self._known[1]

    async def _look_patiently(self) -> Overview:
        # While one broker restarts, another answers as soon as the clients have noticed.
        give_up = time.monotonic() + RESTART_S
        while True:
            try:
                return await self._look()
            except (KafkaError, OSError):
                if time.monotonic() > give_up:
                    raise
                await asyncio.sleep(0.2)

    async def _look(self) -> Overview:
        cluster = await self._admin.describe_cluster()
        described = await self._admin.describe_topics()
        places = {
            topic["topic"]: sorted(part["partition"] for part in topic["partitions"])
            for topic in described
            if not topic["error_code"] and not topic["is_internal"]
        }
        everywhere = [TopicPartition(name, number) for name, numbers in places.items() for number in numbers]
        firsts = await self._offsets.beginning_offsets(everywhere)
        ends = await self._offsets.end_offsets(everywhere)
        topics = [
            Topic(name, [Partition(n, firsts[TopicPartition(name, n)], ends[TopicPartition(name, n)]) for n in numbers])
            for name, numbers in sorted(places.items())
        ]
        return Overview(len(cluster["brokers"]), topics, await self._groups(ends))

    async def _groups(self, ends: dict[TopicPartition, int]) -> list[ConsumerGroup]:
        names = sorted({str(group[0]) for group in await self._admin.list_consumer_groups()})
        return [await self._group(name, ends) for name in names]

    async def _group(self, name: str, ends: dict[TopicPartition, int]) -> ConsumerGroup:
        # One group a question: aiokafka 0.14 reads version 3 of the answer as version 2, which fails on the second one.
        (answer,) = await self._admin.describe_consumer_groups([name])
        described: Any = answer.groups[0]
        committed = await self._admin.list_consumer_group_offsets(name)
        lags = [
            Lag(place.topic, place.partition, known.offset if known.offset >= 0 else None, ends[place])
            for place, known in sorted(committed.items())
            if place in ends
        ]
        return ConsumerGroup(name, str(described[2]), sorted(str(member[-4]) for member in described[5]), lags)

    async def topic(self, name: str) -> Topic:
        """Return one topic.

        Raises:
            NotThereError: there is none of this name.

        """
        for topic in (await self.overview()).topics:
            if topic.name == name:
                return topic
        raise NotThereError(f"topic {name} does not exist")

    async def messages(self, name: str, partition: int | None = None, before: int | None = None) -> list[TopicMessage]:
        """Return the newest messages, of one partition those below the offset `before`; newest first.

        Raises:
            NotThereError: there is no such topic.

        """
        topic = await self.topic(name)
        spans: dict[TopicPartition, tuple[int, int]] = {}
        for part in topic.partitions:
            end = part.end if before is None else min(before, part.end)
            if partition in {None, part.number} and end > part.first:
                spans[TopicPartition(name, part.number)] = (max(part.first, end - PAGE), end)
        found = [_brief(record) for record in await self._read(spans)]
        return sorted(found, key=lambda message: (-message.at_ms, message.partition, -message.offset))[:PAGE]

    async def message(self, name: str, partition: int, offset: int) -> TopicMessage:
        """Return one message in full.

        Raises:
            NotThereError: it was never written, or is gone.

        """
        topic = await self.topic(name)
        if any(part.number == partition and part.first <= offset < part.end for part in topic.partitions):
            for record in await self._read({TopicPartition(name, partition): (offset, offset + 1)}):
                if record.offset == offset:
                    return _full(record)
        raise NotThereError(f"{name}, partition {partition}: there is no message at offset {offset} (any more)")

    async def _read(self, spans: dict[TopicPartition, tuple[int, int]]) -> list[ConsumerRecord]:
        if not spans:
            return []
        more = {"max_partition_fetch_bytes": PARTITION_BYTES, "fetch_max_bytes": clients.MAX_MESSAGE_BYTES}
        async with self._gate, asyncio.timeout(DEADLINE_S):
            consumer = clients.assigned_consumer(self.settings, **more)
            await consumer.start()
            try:
                return await _span(consumer, spans)
            finally:
                await consumer.stop()


async def _span(consumer: AIOKafkaConsumer, spans: dict[TopicPartition, tuple[int, int]]) -> list[ConsumerRecord]:
    consumer.assign(list(spans))
    for place, (first, _) in spans.items():
        consumer.seek(place, first)
    found: list[ConsumerRecord] = []
    waiting = set(spans)
    give_up = time.monotonic() + DEADLINE_S / 2  # behind the last message of a compacted log nothing comes
    while waiting and time.monotonic() < give_up:
        batches = await consumer.getmany(*waiting, timeout_ms=500, max_records=PAGE)
        found += [record for place, records in batches.items() for record in records if record.offset < spans[place][1]]
        waiting = {place for place in waiting if await consumer.position(place) < spans[place][1]}
    return found


def _brief(record: ConsumerRecord) -> TopicMessage:
    return _message(record, readable(record.value, SHORT))


def _full(record: ConsumerRecord) -> TopicMessage:
    return _message(record, pretty(record.value))


def _message(record: ConsumerRecord, value: str) -> TopicMessage:
    size = len(record.value or b"")
    return TopicMessage(record.partition, record.offset, record.timestamp, readable(record.key, 60), value, size)


REASONS = (KafkaError, TimeoutError, OSError)  # why Kafka may not answer
