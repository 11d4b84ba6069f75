"""The buffer of one partition."""

import msgspec

from app.archive import parquet
from app.archive.partition_buffer import PartitionBuffer
from app.archive.segments import archive_folder, newest, segments
from app.domain.acceptance import fence
from app.records import Ticks, Trades
from app.settings import Settings
from tests.archive.batches import (
    T0,
    archived,
    buffer_of,
    message,
    rows,
    tick_batch,
)


def test_every_offset_is_covered_even_by_what_cannot_be_read(settings: Settings) -> None:
    """Unreadable messages are in the range, listed and counted, and have no rows."""
    hostile = [b"", b"{", b"[" * 100_000, b'{"second": 1e400}', msgspec.json.encode(tick_batch(10**17))]
    uneven = tick_batch(T0 + 1, symbols={"X": Ticks(trades=Trades(id=[1, 2], time_ms=[1]))})
    huge = tick_batch(T0 + 2, symbols={"X": Ticks(last_id=2**63)})
    archived(settings, "ticks", *hostile, tick_batch(T0), uneven, huge, tick_batch(T0, partition=3))
    (only,) = segments(archive_folder(settings), "btc.ticks")
    footer = parquet.read_footer(archive_folder(settings) / only.name)
    assert (only.first, only.last) == (0, 8)
    assert (footer.messages, footer.skipped, footer.skipped_offsets) == (9, 8, [0, 1, 2, 3, 4, 6, 7, 8])
    assert {row["kafka_offset"] for row in rows(settings, "select * from ticks")} == {5}


def test_a_second_that_has_not_come_is_refused_when_live() -> None:
    """The agents refuse it too; a fast replay is ahead of Kafka's clock by nature."""
    buffer, early = buffer_of("ticks"), message(0, tick_batch(T0 + 3600))
    assert buffer.decode(early, live=True) is None
    assert buffer.decode(early, live=False) is not None


def test_a_file_never_mixes_hours() -> None:
    """A message of the next hour does not fit to the buffered ones."""
    buffer = buffer_of("ticks")
    buffer.append(message(0, b""), tick_batch(T0 + 3599))
    one = message(1, b"")
    assert buffer.fits(one, tick_batch(T0 + 3598))
    assert buffer.fits(one, None)
    assert not buffer.fits(one, tick_batch(T0 + 3600))


def test_repeats_are_archived_but_marked(settings: Settings) -> None:
    """A second sent twice and an older collector's batch are in the file and not in the tables."""
    buffer = archived(settings, "ticks", tick_batch(T0, generation=2), tick_batch(T0, generation=2))
    archived(
        settings, "ticks", tick_batch(T0 + 1, generation=1), tick_batch(T0 + 2, generation=2), first=2, buffer=buffer
    )
    assert rows(settings, "select count(*) as n from ticks_all") == [{"n": 8}]
    assert [r["second"] for r in rows(settings, "select distinct second from ticks order by 1")] == [T0, T0 + 2]


def test_a_buffer_resumes_from_its_last_file(settings: Settings) -> None:
    """Next offset, newest second and generation come back from the file's name and footer."""
    before = archived(settings, "ticks", tick_batch(T0, generation=3), first=41)
    root = archive_folder(settings)
    last = newest(segments(root, "btc.ticks"))[0]
    buffer = PartitionBuffer.resumed(before.partition, "ticks", last, parquet.read_footer(root / last.name))
    assert (buffer.next, buffer.newest_second, buffer.generation, buffer.written_ms) == (42, T0, 3, T0 * 1000)


def test_a_fence_has_no_rows_and_makes_what_a_former_owner_wrote_after_it_a_repeat(settings: Settings) -> None:
    """Its generation is in the footer, so the next file goes on with it; it is not unreadable."""
    buffer = archived(settings, "ticks", tick_batch(T0, generation=2), fence(0, 3, T0 * 1000.0))
    archived(
        settings, "ticks", tick_batch(T0 + 1, generation=2), tick_batch(T0 + 1, generation=3), first=2, buffer=buffer
    )
    assert (buffer.newest_second, buffer.generation) == (T0 + 1, 3)
    assert rows(settings, "select distinct kafka_offset from ticks order by 1") == [
        {"kafka_offset": 0}, {"kafka_offset": 3},
    ]  # fmt: skip
    footers = [parquet.read_footer(archive_folder(settings) / one.name)
               for one in segments(archive_folder(settings), "btc.ticks")]  # fmt: skip
    assert [(footer.generation, footer.newest_second, footer.skipped) for footer in footers] == [
        (3, T0, 0), (3, T0 + 1, 0),
    ]  # fmt: skip
