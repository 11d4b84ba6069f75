"""Buffer of one partition: its messages since the last file, as rows."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec
import pyarrow as pa
from aiokafka import ConsumerRecord, TopicPartition

from app.archive.parquet import MAX_SKIPPED_OFFSETS, SegmentFooter
from app.archive.rows import TOPIC_ROWS, MessagePosition, TopicRows
from app.archive.segments import HOUR_S, Segment
from app.domain.acceptance import NO_SECOND, refusal_reason
from app.records import Batch, Gap

LAST_SECOND = 253_402_300_799  # the end of the year 9999
MAX_AHEAD_S = 60  # as for the agents: a later second than the broker's time has not come yet
MESSAGE_BYTES = 4096  # what one message takes in memory besides its values
UNREADABLE = (
    ValueError,
    TypeError,
    LookupError,
    OverflowError,
    RecursionError,
    msgspec.MsgspecError,
    pa.ArrowException,
)


class SegmentContent(NamedTuple):
    """What one file will hold."""

    segment: Segment
    table: pa.Table
    footer: SegmentFooter


@dataclass
class PartitionBuffer:
    """What is archived of a partition, and its messages in memory since."""

    partition: TopicPartition
    topic_rows: TopicRows
    epoch: int = 0
    next: int | None = None  # the offset after the last message appended; None: from the earliest
    written_ms: int = 0  # Kafka's time of the last message appended
    newest_second: int = -1
    generation: int = -1
    hour: int = 0  # of the buffered messages
    first: int | None = None  # offset of the first buffered message
    since_s: float = 0.0  # when it was appended, monotonic
    batches: list[pa.RecordBatch] = field(default_factory=list)
    messages: int = 0
    size_bytes: int = 0
    skipped: list[int] = field(default_factory=list)

    @classmethod
    def resumed(
        cls, partition: TopicPartition, name: str, last: Segment | None, footer: SegmentFooter | None
    ) -> "PartitionBuffer":
        """Return the empty buffer of a topic (`name` without the prefix) that continues after its last file."""
        buffer = cls(partition, TOPIC_ROWS[name])
        if last and footer:
            buffer.epoch, buffer.next, buffer.hour = last.epoch, last.last + 1, last.hour
            buffer.written_ms, buffer.newest_second = footer.written_ms, footer.newest_second
            buffer.generation = footer.generation
        return buffer

    def start_epoch(self) -> None:
        """Start a new epoch: the topic was created again and its offsets start again. The buffer must be empty."""
        self.epoch, self.next, self.generation = self.epoch + 1, None, -1

    def decode(self, message: ConsumerRecord, *, live: bool) -> Batch | Gap | None:
        """Return a message's record; None: it is damaged, of another partition, or of an impossible second.

        `live`: the exchange's time is the wall's, so a second after Kafka's time is impossible.
        """
        try:
            batch = msgspec.json.decode(message.value or b"", type=self.topic_rows.record)
            second = batch.second if isinstance(batch, Batch) else int(batch.opened_ms // 1000)
        except UNREADABLE:
            return None
        limit = message.timestamp // 1000 + MAX_AHEAD_S if live else LAST_SECOND
        is_possible = 0 <= second <= limit or (second == NO_SECOND and isinstance(batch, Batch))
        return batch if batch.partition == self.partition.partition and is_possible else None

    def fits(self, message: ConsumerRecord, batch: Batch | Gap | None) -> bool:
        """Return whether a message may join the buffered ones: a file never mixes hours."""
        return self.first is None or self._hour(message, batch) in {None, self.hour}

    def _hour(self, message: ConsumerRecord, batch: Batch | Gap | None) -> int | None:
        """Return the hour of a message, None for a fence and for what cannot be read: they belong to any."""
        if batch is None or (isinstance(batch, Batch) and batch.second == NO_SECOND):
            return None
        # Backfilled seconds lie anywhere in the past, many symbols' in turn: by their own hour each would make a file.
        if self.topic_rows.ordered and isinstance(batch, Batch):
            return batch.second // HOUR_S
        return int(message.timestamp // 1000 // HOUR_S)

    def append(self, message: ConsumerRecord, batch: Batch | Gap | None) -> int:
        """Append a message, as rows or as skipped; return the number of its rows."""
        if self.first is None:
            self.first, self.since_s = message.offset, time.monotonic()
            self.hour = self._hour(message, batch) or self.hour or message.timestamp // 1000 // HOUR_S
        rows = self._rows(batch, message.offset) if batch else None
        if rows is None:
            self.skipped.append(message.offset)
        else:
            self.batches.append(rows)
            self.size_bytes += rows.nbytes
        self.next, self.written_ms = message.offset + 1, message.timestamp
        self.messages += 1
        self.size_bytes += MESSAGE_BYTES
        return rows.num_rows if rows else 0

    def _rows(self, batch: Batch | Gap, offset: int) -> pa.RecordBatch | None:
        if not (self.topic_rows.ordered and isinstance(batch, Batch)):
            return self._unordered_rows(batch, offset)
        refused = refusal_reason(batch, last_second=self.newest_second, last_generation=self.generation)
        position = MessagePosition(self.partition.partition, offset, repeat=bool(refused))
        try:
            rows = self.topic_rows.rows(batch, position)
        except UNREADABLE:
            return None
        if refused in {"", "fence"}:
            self.newest_second, self.generation = max(batch.second, self.newest_second), batch.generation
        return rows

    def _unordered_rows(self, batch: Batch | Gap, offset: int) -> pa.RecordBatch | None:
        # Nothing is a repeat by its second: readers tell trades apart by id, and gaps by theirs.
        try:
            return self.topic_rows.rows(batch, MessagePosition(self.partition.partition, offset, repeat=False))
        except UNREADABLE:
            return None

    def content(self) -> SegmentContent | None:
        """Return what is buffered as one file, or None when it is empty; it stays buffered until `clear`."""
        if self.first is None or self.next is None:
            return None
        topic, partition = self.partition.topic, self.partition.partition
        segment = Segment(topic, partition, self.epoch, self.first, self.next - 1, self.hour)
        table = pa.concat_tables(list(self._tables()), promote_options="default").combine_chunks()
        return SegmentContent(segment, table, self._footer())

    def _tables(self) -> Iterator[pa.Table]:
        yield self.topic_rows.schema.empty_table()
        yield from (pa.Table.from_batches([rows]) for rows in self.batches)

    def _footer(self) -> SegmentFooter:
        return SegmentFooter(
            messages=self.messages,
            written_ms=self.written_ms,
            newest_second=self.newest_second,
            generation=self.generation,
            skipped=len(self.skipped),
            skipped_offsets=self.skipped[:MAX_SKIPPED_OFFSETS],
        )

    def clear(self) -> None:
        """Empty the buffer: its messages are on disk."""
        self.first, self.messages, self.size_bytes = None, 0, 0
        self.batches, self.skipped = [], []
