"""Sending batches to the topics and reading back what the processes wrote, for benchmarks and live tests."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import msgspec
from aiokafka import AIOKafkaProducer, ConsumerRecord

from app.kafka import topics
from app.kafka.clients import assigned_consumer, producer
from app.kafka.reading import UNREADABLE, EndOfTopic, read_topic, topic_partitions
from app.settings import Settings


class Sender(NamedTuple):
    """Sends raw bytes to topics."""

    settings: Settings
    producer: AIOKafkaProducer

    async def enqueue(self, value: bytes, partition: int) -> asyncio.Future[Any]:
        """Start to send one batch of ticks; return the future of its acknowledgement."""
        topic = topics.TICKS.full_name(self.settings)
        sent: asyncio.Future[Any] = await self.producer.send(topic, value, key=b"%d" % partition, partition=partition)
        return sent

    async def send(self, spec: topics.TopicSpec, value: bytes | None, partition: int) -> None:
        """Send a message to a partition of a topic and wait for the acknowledgement."""
        topic = spec.full_name(self.settings)
        await self.producer.send_and_wait(topic, value, key=b"%d" % partition, partition=partition)


@asynccontextmanager
async def sending(settings: Settings) -> AsyncIterator[Sender]:
    """Give a sender while the body runs."""
    client = producer(settings, linger_ms=0)
    await client.start()
    try:
        yield Sender(settings, client)
    finally:
        await client.stop()


async def count(settings: Settings, spec: topics.TopicSpec) -> int:
    """Return how many messages a topic holds."""
    consumer = assigned_consumer(settings)
    await consumer.start()
    try:
        return sum((await EndOfTopic.now(consumer, topic_partitions(settings, spec))).ends.values())
    finally:
        await consumer.stop()


async def drain(settings: Settings, spec: topics.TopicSpec, wanted: int, patience_s: float = 300.0) -> None:
    """Wait until a topic holds so many messages, or none came for a minute."""
    deadline, seen, moved_s = time.monotonic() + patience_s, -1, time.monotonic()
    while (found := await count(settings, spec)) < wanted:
        if found != seen:
            seen, moved_s = found, time.monotonic()
        if time.monotonic() > deadline or time.monotonic() - moved_s > 60.0:
            return
        await asyncio.sleep(0.5)


async def messages(settings: Settings, spec: topics.TopicSpec) -> list[ConsumerRecord]:
    """Return every message a topic holds, by partition and offset."""
    found = [message async for message in read_topic(settings, spec)]
    return sorted(found, key=lambda message: (message.partition, message.offset))


async def records(settings: Settings, spec: topics.TopicSpec, shape: Any = None) -> list[Any]:
    """Return every message of a topic that decodes, by partition and offset; `shape`: only these fields of it."""
    decoded = [_decoded(message.value, shape or spec.record) for message in await messages(settings, spec)]
    return [one for one in decoded if one is not None]


def _decoded(value: bytes | None, record: Any) -> Any:
    try:
        return msgspec.json.decode(value or b"", type=record)
    except UNREADABLE:
        return None  # a test put it there


class AppendedBatch(NamedTuple):
    """One batch as the broker has it."""

    partition: int
    second: int
    closed_ms: float
    appended_ms: float
    late: bool


class _Batch(msgspec.Struct):
    partition: int
    second: int
    closed_ms: float
    late: bool = False


async def appended(settings: Settings, spec: topics.TopicSpec) -> list[AppendedBatch]:
    """Return every batch of a topic in the order in which the broker appended them."""
    decode = msgspec.json.Decoder(_Batch).decode
    read = [(message.timestamp, decode(message.value)) async for message in read_topic(settings, spec)]
    found = [AppendedBatch(one.partition, one.second, one.closed_ms, float(at), one.late) for at, one in read]
    return sorted(found, key=lambda one: one.appended_ms)
