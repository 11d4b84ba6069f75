"""Archiver: ticks, backfill, gaps, features, predictions and outcomes from Kafka into Parquet, hour by hour.

A kill −9 at any moment leaves every message in exactly one file: files get their names only when they are complete, and
the names (`segments`) say from which offset to continue. While a disk is full nothing more is read and nothing is lost:
the buffers stay in memory, the rest stays in Kafka.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
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
from app.retry import keep_running, retrying
from app.service.heartbeat import ProcessStatus
from app.service.lifecycle import StartupError
from app.service.loop_watch import LoopWatch
from app.settings import Settings

TOPICS = (topics.TICKS, topics.BACKFILL, topics.GAPS, topics.FEATURES, topics.PREDICTIONS, topics.OUTCOMES)
BUFFERED_MAX_BYTES = 96 * 2**20
log = logger("archive")


async def run(settings: Settings, process_status: ProcessStatus | None = None) -> None:
    """Archive until cancelled; the buffers are written before it returns.

    Raises:
        StartupError: another process writes this archive, or a file of it is damaged.

    """
    status = process_status or ProcessStatus()
    archiver = Archiver(settings, loops=LoopWatch(status.kafka_answering_s))
    status.progress = archiver.progress
    status.stall_reason, status.not_ready_reason = archiver.loops.stall_reason, archiver.not_ready_reason
    try:
        await archiver.run()
    except ArchiveError as error:
        raise StartupError(str(error)) from error


class Archiver:
    """The one process that writes a source's archive."""

    def __init__(
        self, settings: Settings, *, buffered_max_bytes: int = BUFFERED_MAX_BYTES, loops: LoopWatch | None = None
    ) -> None:
        names = "second", "lag", "rows", "files", "size_mb", "skipped", "gaps", "stalled"
        self.progress: dict[str, float] = dict.fromkeys(names, 0.0)
        self._settings, self._buffered_max_bytes = settings, buffered_max_bytes
        self.loops = loops or LoopWatch()
        self._root = segments.archive_folder(settings)
        self._buffers: dict[TopicPartition, PartitionBuffer] = {}
        self._writer = Writer(
            self._root, settings, [one.full_name(settings) for one in TOPICS], self.progress, self._beat
        )

    def _beat(self) -> None:
        self.loops.beat("archive the topics")

    def not_ready_reason(self) -> str:
        """Return why nothing is archived now, or ""."""
        return f"archive {self._root} cannot be written" if self.progress["stalled"] else ""

    async def run(self) -> None:
        """Archive until cancelled.

        Raises:
            ArchiveError: another process writes this archive, or a file of it is damaged.
            TopicError: a topic is not as the pipeline needs it.

        """
        with _locked(self._root):
            await retrying(
                lambda: topics.ensure(self._settings, TOPICS), "check the topics", process="archive",
                on=topics.KafkaUnavailableError,
            )  # fmt: skip
            await asyncio.to_thread(self._resume)
            try:
                await keep_running(self._follow, "read the topics", process="archive", on=KafkaError)
            finally:
                await self._writer.close(self._buffers.values())

    def _resume(self) -> None:
        for spec in TOPICS:
            topic = spec.full_name(self._settings)
            if removed := segments.remove_leftovers(self._root, topic):
                log.info("removed the files that an interrupted run left", topic=topic, files=removed)
            last = segments.newest(segments.segments(self._root, topic))
            for number in range(spec.partitions(self._settings)):
                partition, segment = TopicPartition(topic, number), last.get(number)
                footer = parquet.read_footer(self._root / segment.name) if segment else None
                self._buffers[partition] = PartitionBuffer.resumed(partition, spec.name, segment, footer)

    async def _follow(self) -> None:
        consumer = assigned_consumer(self._settings, **BATCHED_FETCH)
        try:
            await consumer.start()
            consumer.assign(list(self._buffers))
            for partition, buffer in self._buffers.items():
                if buffer.next is not None:
                    consumer.seek(partition, buffer.next - 1)  # the last one again: is it still the same?
            while True:
                await self._poll(consumer)
        finally:
            await consumer.stop()

    async def _poll(self, consumer: AIOKafkaConsumer) -> None:
        self._beat()
        fetched = await consumer.getmany(timeout_ms=250, max_records=500)
        for partition, messages in fetched.items():
            for message in messages:
                if not await self._append(consumer, self._buffers[partition], message):
                    break
        await self._writer.write_due(self._buffers.values())
        self.progress["lag"] = float(sum(self._lags(consumer)))

    def _lags(self, consumer: AIOKafkaConsumer) -> Iterator[int]:
        for partition, buffer in self._buffers.items():
            end = consumer.highwater(partition)
            if end is not None and buffer.next is not None:
                yield max(end - buffer.next, 0)

    async def _append(self, consumer: AIOKafkaConsumer, buffer: PartitionBuffer, message: ConsumerRecord) -> bool:
        """Append one message; False: what else was fetched of this partition has to be read again."""
        if buffer.next is not None and message.offset < buffer.next:
            if message.offset == buffer.next - 1 and message.timestamp == buffer.written_ms:
                return True
            await self._start_epoch(consumer, buffer, message)
            return False
        await self._count_gap(consumer, buffer, message.offset)
        batch = buffer.decode(message, live=self._settings.speed == 1.0)
        if not buffer.fits(message, batch):
            await self._writer.write(buffer)
            self._writer.hour_ended()
        self._count(buffer, buffer.append(message, batch))
        if sum(one.size_bytes for one in self._buffers.values()) > self._buffered_max_bytes:
            await self._writer.write(max(self._buffers.values(), key=lambda one: one.size_bytes))
        return True

    async def _start_epoch(self, consumer: AIOKafkaConsumer, buffer: PartitionBuffer, message: ConsumerRecord) -> None:
        await self._writer.write(buffer)
        log.warning(
            "the topic was created again: its offsets start again; it is archived from its beginning, as a new epoch",
            topic=buffer.partition.topic, partition=buffer.partition.partition, archived_to=(buffer.next or 0) - 1,
            found=message.offset, epoch=buffer.epoch + 1,
        )  # fmt: skip
        buffer.start_epoch()
        await consumer.seek_to_beginning(buffer.partition)

    async def _count_gap(self, consumer: AIOKafkaConsumer, buffer: PartitionBuffer, offset: int) -> None:
        if buffer.next is None or offset == buffer.next:
            return
        earliest = (await consumer.beginning_offsets([buffer.partition]))[buffer.partition]
        if earliest > buffer.next:  # otherwise only a transaction marker has this offset
            self.progress["gaps"] += 1
            metrics.ERRORS.labels("archive", "gap").inc()
            log.error(
                "messages left Kafka before they were archived; run the archive without long pauses",
                topic=buffer.partition.topic, partition=buffer.partition.partition, first=buffer.next, last=offset - 1,
            )  # fmt: skip

    def _count(self, buffer: PartitionBuffer, rows: int) -> None:
        self.progress["rows"] += rows
        self.progress["second"] = max(self.progress["second"], buffer.newest_second)
        if buffer.skipped and buffer.next is not None and buffer.skipped[-1] == buffer.next - 1:
            self.progress["skipped"] += 1
            metrics.ERRORS.labels("archive", "unreadable").inc()


@contextmanager
def _locked(root: Path) -> Iterator[None]:
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
