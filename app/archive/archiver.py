"""Kafka → Parquet. What enters: ticks, features, predictions, outcomes; what leaves: a file per hour and partition.

A kill −9 at any moment leaves every message in exactly one file: files are renamed into place whole, and their names
(`ledger`) say from which offset to go on. While a disk is full nothing is read on and nothing is lost: what is
held stays held, the rest stays in Kafka.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from filelock import FileLock, Timeout

from app import metrics
from app.archive import parquet, segments
from app.archive.parquet import ArchiveError
from app.archive.partition_buffer import PartitionBuffer
from app.archive.writer import Writer
from app.kafka import topics
from app.kafka.clients import BATCHED_FETCH, assigned_consumer
from app.logs import logger
from app.service.heartbeat import ProcessStatus
from app.service.lifecycle import StartupError
from app.settings import Settings

TOPICS = (topics.TICKS, topics.FEATURES, topics.PREDICTIONS, topics.OUTCOMES)
HELD_MAX_BYTES = 96 * 2**20
BROKER_WAIT_S = 2.0
log = logger("archive")


async def run(settings: Settings, process_status: ProcessStatus | None = None) -> None:
    """Archive until cancelled; what is held is written before it returns.

    Raises:
        StartupError: another process writes this archive, or a file of it is damaged.

    """
    archive = Archive(settings)
    if process_status:
        process_status.progress = archive.progress
    try:
        await archive.run()
    except ArchiveError as error:
        raise StartupError(str(error)) from error


class Archive:
    """The one process that writes a source's archive."""

    def __init__(self, settings: Settings, *, held_max_bytes: int = HELD_MAX_BYTES) -> None:
        names = "second", "lag", "rows", "files", "size_mb", "skipped", "gaps", "stalled"
        self.progress: dict[str, float] = dict.fromkeys(names, 0.0)
        self._settings, self._held_max_bytes = settings, held_max_bytes
        self._root = segments.folder(settings)
        self._lines: dict[TopicPartition, PartitionBuffer] = {}
        self._writer = Writer(self._root, settings, [one.full_name(settings) for one in TOPICS], self.progress)

    async def run(self) -> None:
        """Archive until cancelled.

        Raises:
            ArchiveError: another process writes this archive, or a file of it is damaged.
            TopicError: Kafka does not answer, or its topics are not those of the walk.

        """
        with _alone(self._root):
            await topics.ensure(self._settings, TOPICS)
            await asyncio.to_thread(self._resume)
            try:
                await self._follow()
            finally:
                await self._writer.close(self._lines.values())

    def _resume(self) -> None:
        for spec in TOPICS:
            topic = spec.full_name(self._settings)
            if swept := segments.sweep(self._root, topic):
                log.info("removed what an interrupted run left behind", topic=topic, files=swept)
            last = segments.newest(segments.segments(self._root, topic))
            for number in range(spec.partitions(self._settings)):
                place, segment = TopicPartition(topic, number), last.get(number)
                note = parquet.note_of(self._root / segment.name) if segment else None
                self._lines[place] = PartitionBuffer.resumed(place, spec.name, segment, note)

    async def _follow(self) -> None:
        while True:
            try:
                await self._follow_once()
            except KafkaError as error:
                metrics.ERRORS.labels("archive", type(error).__name__).inc()
                log.warning("Kafka fails, trying again", reason=str(error), in_s=BROKER_WAIT_S)
            await asyncio.sleep(BROKER_WAIT_S)

    async def _follow_once(self) -> None:
        consumer = assigned_consumer(self._settings, **BATCHED_FETCH)
        try:
            await consumer.start()
            consumer.assign(list(self._lines))
            for place, line in self._lines.items():
                if line.next is not None:
                    consumer.seek(place, line.next - 1)  # the last one again: is it still the same?
            while True:
                await self._turn(consumer)
        finally:
            await consumer.stop()

    async def _turn(self, consumer: AIOKafkaConsumer) -> None:
        fetched = await consumer.getmany(timeout_ms=250, max_records=500)
        for place, messages in fetched.items():
            for message in messages:
                if not await self._take(consumer, self._lines[place], message):
                    break
        await self._writer.write_due(self._lines.values())
        self.progress["lag"] = float(sum(self._behind(consumer)))

    def _behind(self, consumer: AIOKafkaConsumer) -> Iterator[int]:
        for place, line in self._lines.items():
            end = consumer.highwater(place)
            if end is not None and line.next is not None:
                yield max(end - line.next, 0)

    async def _take(self, consumer: AIOKafkaConsumer, line: PartitionBuffer, message: Any) -> bool:
        """Take one message; False: what else was fetched of this partition is to be read again."""
        if line.next is not None and message.offset < line.next:
            if message.offset == line.next - 1 and message.timestamp == line.written_ms:
                return True
            await self._begin_anew(consumer, line, message)
            return False
        await self._count_gap(consumer, line, message.offset)
        batch = line.decoded(message, live=self._settings.speed == 1.0)
        if not line.belongs(batch):
            await self._writer.write(line)
            self._writer.hour_ended()
        self._count(line, line.take(message, batch))
        if sum(one.size_bytes for one in self._lines.values()) > self._held_max_bytes:
            await self._writer.write(max(self._lines.values(), key=lambda one: one.size_bytes))
        return True

    async def _begin_anew(self, consumer: AIOKafkaConsumer, line: PartitionBuffer, message: Any) -> None:
        await self._writer.write(line)
        log.warning(
            "the topic was made anew: its offsets start again; it is archived from its beginning, as a new epoch",
            topic=line.place.topic, partition=line.place.partition, archived_to=(line.next or 0) - 1,
            found=message.offset, epoch=line.epoch + 1,
        )  # fmt: skip
        line.begin_anew()
        await consumer.seek_to_beginning(line.place)

    async def _count_gap(self, consumer: AIOKafkaConsumer, line: PartitionBuffer, offset: int) -> None:
        if line.next is None or offset == line.next:
            return
        earliest = (await consumer.beginning_offsets([line.place]))[line.place]
        if earliest > line.next:  # otherwise a hole of the log's own: a transaction marker
            self.progress["gaps"] += 1
            metrics.ERRORS.labels("archive", "gap").inc()
            log.error(
                "messages left Kafka before they were archived; run the archive without long pauses",
                topic=line.place.topic, partition=line.place.partition, first=line.next, last=offset - 1,
            )  # fmt: skip

    def _count(self, line: PartitionBuffer, rows: int) -> None:
        self.progress["rows"] += rows
        self.progress["second"] = max(self.progress["second"], line.newest_second)
        if line.skipped and line.next is not None and line.skipped[-1] == line.next - 1:
            self.progress["skipped"] += 1
            metrics.ERRORS.labels("archive", "unreadable").inc()


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Hold the archive's lock; the system frees it when the process dies, however it dies."""
    root.mkdir(parents=True, exist_ok=True)
    lock = FileLock(root / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise ArchiveError(
            f"archive {root} is being written by another process: stop that one, or set another BTC_DATA_DIR"
        ) from error
    try:
        yield
    finally:
        lock.release()
