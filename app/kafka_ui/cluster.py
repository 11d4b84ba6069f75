"""Topics, messages, consumer groups and their lag, read from Kafka; nothing is written.

Reading is bounded: a few reads at a time, each with a deadline, few messages a page, values cut as soon as read.
"""

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaConnectionError, KafkaError

from app.kafka import clients
from app.kafka.reading import EndOfTopic, assigned, read_until
from app.kafka_ui.overview import ConsumerGroup, Lag, Overview, Partition, Topic, TopicMessage
from app.kafka_ui.payloads import PREVIEW_CHARACTERS, full_text, preview
from app.retry import retrying
from app.settings import Settings

AT_ONCE = 4
DEADLINE_S = 8.0
RESTART_S = 4.0  # a broker that restarts is replaced by another within this
FRESH_S = 1.0  # a younger overview is not read again
PAGE = 50  # messages
PARTITION_BYTES = 1 << 20  # fetched at once from each; one larger message still comes


class NotFoundError(LookupError):
    """A topic, message or group that does not exist; the message names it."""


class KafkaCluster:
    """The brokers, seen through one admin client and one consumer; use as `async with`."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.requests = 0
        self._admin = AIOKafkaAdminClient(**clients.client_options(settings))
        self._offsets = clients.assigned_consumer(settings)
        self._reads = asyncio.Semaphore(AT_ONCE)
        self._lock = asyncio.Lock()
        self._overview: tuple[float, Overview] | None = None
        self._connected = asyncio.Event()

    async def __aenter__(self) -> Self:
        """Begin to connect; until Kafka answers, every read fails with KafkaConnectionError."""
        self._connecting = asyncio.create_task(self._connect(), name="connect to Kafka")
        return self

    async def _connect(self) -> None:
        for client in (self._admin, self._offsets):
            await retrying(client.start, "connect to Kafka", process="kafka-ui", on=KafkaError)
        self._connected.set()

    async def __aexit__(self, *_reason: object) -> None:
        """Disconnect."""
        self._connecting.cancel()
        await asyncio.wait([self._connecting])
        await self._offsets.stop()
        await self._admin.close()

    async def overview(self) -> Overview:
        """Return all topics and groups; requests within a second share one answer of Kafka."""
        self.requests += 1
        async with self._lock:
            if self._overview is None or time.monotonic() - self._overview[0] > FRESH_S:
                async with asyncio.timeout(DEADLINE_S):
                    self._overview = (time.monotonic(), await self._read_overview())
            return self._overview[1]

    async def _read_overview(self) -> Overview:
        # While one broker restarts, another answers as soon as the clients have noticed.
        return await retrying(
            self._describe, "describe the cluster", process="kafka-ui", on=(KafkaError, OSError), longest_wait_s=0.5,
            timeout_s=RESTART_S,
        )  # fmt: skip

    async def _describe(self) -> Overview:
        if not self._connected.is_set():
            raise KafkaConnectionError("no connection yet")
        cluster = await self._admin.describe_cluster()
        described = await self._admin.describe_topics()
        partitions = {
            topic["topic"]: sorted(part["partition"] for part in topic["partitions"])
            for topic in described
            if not topic["error_code"] and not topic["is_internal"]
        }
        everywhere = [TopicPartition(name, number) for name, numbers in partitions.items() for number in numbers]
        firsts = await self._offsets.beginning_offsets(everywhere)
        ends = (await EndOfTopic.now(self._offsets, everywhere)).ends
        topics = [
            Topic(name, [Partition(n, firsts[TopicPartition(name, n)], ends[TopicPartition(name, n)]) for n in numbers])
            for name, numbers in sorted(partitions.items())
        ]
        return Overview(len(cluster["brokers"]), topics, await self._groups(ends))

    async def _groups(self, ends: dict[TopicPartition, int]) -> list[ConsumerGroup]:
        names = sorted({str(group[0]) for group in await self._admin.list_consumer_groups()})
        return [await self._group(name, ends) for name in names]

    async def _group(self, name: str, ends: dict[TopicPartition, int]) -> ConsumerGroup:
        # One group per request: aiokafka 0.14 reads version 3 of the answer as version 2 and fails on the second one.
        (answer,) = await self._admin.describe_consumer_groups([name])
        described: Any = answer.groups[0]
        committed = await self._admin.list_consumer_group_offsets(name)
        lags = [
            Lag(partition.topic, partition.partition, known.offset if known.offset >= 0 else None, ends[partition])
            for partition, known in sorted(committed.items())
            if partition in ends
        ]
        return ConsumerGroup(name, str(described[2]), sorted(str(member[-4]) for member in described[5]), lags)

    async def topic(self, name: str) -> Topic:
        """Return one topic.

        Raises:
            NotFoundError: there is none of this name.

        """
        for topic in (await self.overview()).topics:
            if topic.name == name:
                return topic
        raise NotFoundError(f"topic {name} does not exist")

    async def messages(self, name: str, partition: int | None = None, before: int | None = None) -> list[TopicMessage]:
        """Return the newest messages, of one partition those below the offset `before`; newest first.

        Raises:
            NotFoundError: there is no such topic.

        """
        topic = await self.topic(name)
        spans: dict[TopicPartition, tuple[int, int]] = {}
        for part in topic.partitions:
            end = part.end if before is None else min(before, part.end)
            if partition in {None, part.number} and end > part.first:
                spans[TopicPartition(name, part.number)] = (max(part.first, end - PAGE), end)
        found = [_message(record, preview(record.value, PREVIEW_CHARACTERS)) for record in await self._read(spans)]
        return sorted(found, key=lambda message: (-message.at_ms, message.partition, -message.offset))[:PAGE]

    async def message(self, name: str, partition: int, offset: int) -> TopicMessage:
        """Return one message in full.

        Raises:
            NotFoundError: it was never written, or was deleted.

        """
        topic = await self.topic(name)
        if any(part.number == partition and part.first <= offset < part.end for part in topic.partitions):
            for record in await self._read({TopicPartition(name, partition): (offset, offset + 1)}):
                if record.offset == offset:
                    return _message(record, full_text(record.value))
        raise NotFoundError(f"{name}, partition {partition}: there is no message at offset {offset} (any more)")

    async def _read(self, spans: dict[TopicPartition, tuple[int, int]]) -> list[ConsumerRecord]:
        if not spans:
            return []
        more = {"max_partition_fetch_bytes": PARTITION_BYTES, "fetch_max_bytes": clients.MAX_MESSAGE_BYTES}
        async with self._reads, asyncio.timeout(DEADLINE_S), assigned(self.settings, spans, **more) as consumer:
            return await _read_spans(consumer, spans)


async def _read_spans(
    consumer: AIOKafkaConsumer, spans: Mapping[TopicPartition, tuple[int, int]]
) -> list[ConsumerRecord]:
    for partition, (first, _) in spans.items():
        consumer.seek(partition, first)
    end = EndOfTopic(consumer, {partition: end for partition, (_, end) in spans.items()})
    found: list[ConsumerRecord] = []
    with suppress(TimeoutError):  # behind the last message of a compacted log nothing comes
        async with asyncio.timeout(DEADLINE_S / 2):
            async for record in read_until(consumer, end):
                found.append(record)  # noqa: PERF401  a timeout keeps what was read
    return found


def _message(record: ConsumerRecord, value: str) -> TopicMessage:
    size = len(record.value or b"")
    return TopicMessage(record.partition, record.offset, record.timestamp, preview(record.key, 60), value, size)


UNREACHABLE = (KafkaError, TimeoutError, OSError)  # Kafka does not answer
