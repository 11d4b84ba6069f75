"""One partition's way into the archive. What enters: its messages in order; what leaves: files, ready to write."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa
from aiokafka import TopicPartition

from app.archive.parquet import NOTED, SegmentNote
from app.archive.rows import SHAPES, MessagePosition, TopicRows
from app.archive.segments import HOUR_S, Segment
from app.records import Batch

LAST_SECOND = 253_402_300_799  # the end of the year 9999
AHEAD_S = 60  # as the agents see it (`rounds.fresh`): a second that has not come yet is no second
MESSAGE_BYTES = 4096  # what one message costs in memory beside its values
UNREADABLE = (
    ValueError,
    TypeError,
    LookupError,
    OverflowError,
    RecursionError,
    msgspec.MsgspecError,
    pa.ArrowException,
)


class Ready(NamedTuple):
    """What one file will hold."""

    segment: Segment
    table: pa.Table
    note: SegmentNote


@dataclass
class PartitionBuffer:
    """Where one partition is: what is archived, and what is held in memory since."""

    place: TopicPartition
    shape: TopicRows
    epoch: int = 0
    next: int | None = None  # the offset after the last message taken; None: from the earliest
    written_ms: int = 0  # Kafka's time of the last message taken
    newest_second: int = -1
    generation: int = -1
    hour: int = 0  # of the messages held
    first: int | None = None  # offset of the first message held
    since: float = 0.0  # when it was taken, monotonic seconds
    batches: list[pa.RecordBatch] = field(default_factory=list)
    messages: int = 0
    size_bytes: int = 0
    skipped: list[int] = field(default_factory=list)

    @classmethod
    def resumed(
        cls, place: TopicPartition, name: str, last: Segment | None, note: SegmentNote | None
    ) -> "PartitionBuffer":
        """Return the line of one topic (`name` without the prefix), going on after its last file."""
        line = cls(place, SHAPES[name])
        if last and note:
            line.epoch, line.next, line.hour = last.epoch, last.last + 1, last.hour
            line.written_ms, line.newest_second, line.generation = note.written_ms, note.newest_second, note.generation
        return line

    def begin_anew(self) -> None:
        """Start a new epoch: the topic was made anew and its offsets start again. Nothing may be held."""
        self.epoch, self.next, self.generation = self.epoch + 1, None, -1

    def decoded(self, message: Any, *, live: bool) -> Batch | None:
        """Return a message's record, or None when it is none or cannot be what it says; `live`: not a fast replay."""
        try:
            batch = msgspec.json.decode(message.value or b"", type=self.shape.record)
        except UNREADABLE:
            return None
        limit = message.timestamp // 1000 + AHEAD_S if live else LAST_SECOND
        return batch if batch.partition == self.place.partition and 0 <= batch.second <= limit else None

    def belongs(self, batch: Batch | None) -> bool:
        """Return whether a message may join those held: a file never mixes hours."""
        return self.first is None or batch is None or batch.second // HOUR_S == self.hour

    def take(self, message: Any, batch: Batch | None) -> int:
        """Hold a message, as rows or as skipped; return its rows."""
        if self.first is None:
            self.first, self.since = message.offset, time.monotonic()
            self.hour = batch.second // HOUR_S if batch else self.hour or message.timestamp // 1000 // HOUR_S
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

    def _rows(self, batch: Batch, offset: int) -> pa.RecordBatch | None:
        repeat = batch.second <= self.newest_second or batch.generation < self.generation
        try:
            rows = self.shape.rows(batch, MessagePosition(self.place.partition, offset, repeat))
        except UNREADABLE:
            return None
        if not repeat:
            self.newest_second, self.generation = batch.second, batch.generation
        return rows

    def ready(self) -> Ready | None:
        """Return what is held as one file, or None when nothing is; it stays held until `clear`."""
        if self.first is None or self.next is None:
            return None
        topic, partition = self.place.topic, self.place.partition
        segment = Segment(topic, partition, self.epoch, self.first, self.next - 1, self.hour)
        table = pa.concat_tables(list(self._tables()), promote_options="default").combine_chunks()
        return Ready(segment, table, self._note())

    def _tables(self) -> Iterator[pa.Table]:
        yield self.shape.schema.empty_table()
        yield from (pa.Table.from_batches([rows]) for rows in self.batches)

    def _note(self) -> SegmentNote:
        return SegmentNote(
            messages=self.messages,
            written_ms=self.written_ms,
            newest_second=self.newest_second,
            generation=self.generation,
            skipped=len(self.skipped),
            skipped_offsets=self.skipped[:NOTED],
        )

    def clear(self) -> None:
        """Forget what was held: it is on disk."""
        self.first, self.messages, self.size_bytes = None, 0, 0
        self.batches, self.skipped = [], []
