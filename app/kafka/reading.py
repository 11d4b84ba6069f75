"""Reading topics without a consumer group: all they hold now, their newest messages, or from a tail on."""

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from typing import TypeVar

import msgspec
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from app.kafka.clients import assigned_consumer
from app.kafka.topics import TopicSpec
from app.settings import Settings

POLL_MS = 500
UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
Record = TypeVar("Record", bound=msgspec.Struct)


def topic_partitions(settings: Settings, *specs: TopicSpec) -> list[TopicPartition]:
    """Return every partition of some topics."""
    return [TopicPartition(spec.full_name(settings), number) for spec in specs
            for number in range(spec.partitions(settings))]  # fmt: skip


class EndOfTopic:
    """The end offsets of some partitions at one moment, and whether a consumer has read up to them."""

    def __init__(self, consumer: AIOKafkaConsumer, ends: Mapping[TopicPartition, int]) -> None:
        self._consumer = consumer
        self.ends = dict(ends)
        self._open = {partition for partition, end in ends.items() if end}

    @classmethod
    async def now(cls, consumer: AIOKafkaConsumer, partitions: Collection[TopicPartition]) -> "EndOfTopic":
        """Return the offsets after the last message of each partition, as the brokers say now; raises KafkaError."""
        return cls(consumer, await consumer.end_offsets(list(partitions)))

    async def is_reached(self) -> bool:
        """Return whether the consumer's position is at or past every end."""
        self._open = {one for one in self._open if await self._consumer.position(one) < self.ends[one]}
        return not self._open


@asynccontextmanager
async def assigned(
    settings: Settings, partitions: Collection[TopicPartition], **options: object
) -> AsyncIterator[AIOKafkaConsumer]:
    """Run a consumer that reads these partitions from their beginning; it is stopped when the body ends."""
    consumer = assigned_consumer(settings, **options)
    try:
        await consumer.start()
        consumer.assign(list(partitions))
        await consumer.seek_to_beginning()
        yield consumer
    finally:
        await consumer.stop()


async def seek_back(consumer: AIOKafkaConsumer, messages: Mapping[TopicPartition, int]) -> EndOfTopic:
    """Move back from the end of each partition by so many messages, at most to its beginning; return the ends."""
    end = await EndOfTopic.now(consumer, messages.keys())
    begins = await consumer.beginning_offsets(list(messages))
    for partition, count in messages.items():
        consumer.seek(partition, max(begins[partition], end.ends[partition] - count))
    return end


async def read_until(consumer: AIOKafkaConsumer, end: EndOfTopic) -> AsyncIterator[ConsumerRecord]:
    """Yield messages from the consumer's position up to an end, in order within each partition."""
    while not await end.is_reached():
        for partition, messages in (await consumer.getmany(timeout_ms=POLL_MS)).items():
            for message in messages:
                if message.offset < end.ends[partition]:
                    yield message


async def read_topic(settings: Settings, spec: TopicSpec) -> AsyncIterator[ConsumerRecord]:
    """Yield every message a topic holds now; raises KafkaError."""
    partitions = topic_partitions(settings, spec)
    async with assigned(settings, partitions) as consumer:
        async for message in read_until(consumer, await EndOfTopic.now(consumer, partitions)):
            yield message


async def read_newest(
    settings: Settings, partitions: Collection[TopicPartition], count: int = 1
) -> dict[TopicPartition, list[ConsumerRecord]]:
    """Return the newest `count` messages of each partition in order; partitions without any are left out."""
    found: dict[TopicPartition, list[ConsumerRecord]] = {}
    async with assigned(settings, partitions) as consumer:
        end = await seek_back(consumer, dict.fromkeys(partitions, count))
        async for message in read_until(consumer, end):
            found.setdefault(TopicPartition(message.topic, message.partition), []).append(message)
    return found


async def read_before(
    settings: Settings, partition: TopicPartition, offset: int | None, count: int
) -> list[ConsumerRecord]:
    """Return the last `count` messages of a partition before an offset (None: its end), in order."""
    async with assigned(settings, [partition]) as consumer:
        end = await EndOfTopic.now(consumer, [partition])
        if offset is not None:
            end = EndOfTopic(consumer, {partition: offset})
        begin = (await consumer.beginning_offsets([partition]))[partition]
        consumer.seek(partition, max(begin, end.ends[partition] - count))
        return [message async for message in read_until(consumer, end)]


async def read_records(settings: Settings, spec: TopicSpec, record: type[Record]) -> AsyncIterator[Record]:
    """Yield every message a topic holds now that decodes as `record`; the others are left out. Raises KafkaError."""
    decode = msgspec.json.Decoder(record).decode
    async for message in read_topic(settings, spec):
        try:
            found = decode(message.value or b"")
        except UNREADABLE:
            continue  # the dead letters count it
        yield found
