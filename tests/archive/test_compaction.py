"""Merging finished hours, removing old ones."""

from pathlib import Path

from app.archive import compaction, parquet
from app.archive.parquet import SegmentFooter
from app.archive.segments import archive_folder, expired, segments
from app.settings import Settings
from tests.archive.batches import (
    HOUR,
    T0,
    archived,
    feature_batch,
    rows,
    segment,
    tick_batch,
    touch,
)


def test_one_batch_of_a_far_future_does_not_empty_the_archive(tmp_path: Path) -> None:
    """Retention counts from the newest data, but never from later than tomorrow."""
    touch(tmp_path, segment(0, 9), segment(10, 19), segment(20, 29, HOUR + 1_000_000))
    now = compaction._now({"btc.ticks": segments(tmp_path, "btc.ticks")}, float(T0))
    assert now == T0 + 86_400
    assert expired(segments(tmp_path, "btc.ticks"), now, keep_days=2.0) == []


def test_a_finished_hour_becomes_one_file_with_the_same_rows(settings: Settings) -> None:
    """Merging changes the number of files and nothing else, not even when columns differ."""
    buffer = archived(settings, "features", feature_batch(T0), b"?")
    archived(
        settings,
        "features",
        feature_batch(T0 + 1, bars={"close": [5.0, 6.0], "vwap": [7.0, 8.0]}),
        first=2,
        buffer=buffer,
    )
    archived(settings, "features", feature_batch(T0 + 3600), first=3, buffer=buffer)
    before = rows(settings, "select * from bars order by second, symbol")
    compaction.compact(archive_folder(settings), ["btc.features"], keep_days=9e9)
    root = archive_folder(settings)
    merged, last = segments(root, "btc.features")
    assert (merged.first, merged.last, last.first, last.last) == (0, 2, 3, 3)
    assert len(list(root.rglob("*.parquet"))) == 2
    assert parquet.read_footer(root / merged.name) == SegmentFooter(
        messages=3, written_ms=T0 * 1000, newest_second=T0 + 1, generation=0, skipped=1, skipped_offsets=[1]
    )
    assert rows(settings, "select * from bars order by second, symbol") == before


def test_expired_hours_go_with_their_folders(settings: Settings) -> None:
    """Retention removes whole hours, and days that became empty."""
    buffer = archived(settings, "ticks", tick_batch(T0))
    archived(settings, "ticks", tick_batch(T0 + 5 * 86_400), first=1, buffer=buffer)
    root = archive_folder(settings)
    compaction.compact(root, ["btc.ticks"], keep_days=2.0)
    assert [one.first for one in segments(root, "btc.ticks")] == [1]
    assert len(list((root / "btc.ticks").iterdir())) == 1
