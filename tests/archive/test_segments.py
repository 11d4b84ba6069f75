"""File names of the archive."""

from pathlib import Path

from app.archive.segments import expired, mergeable, newest, remove_leftovers, segments
from tests.archive.batches import (
    HOUR,
    segment,
    touch,
)


def test_file_names_say_what_is_archived(tmp_path: Path) -> None:
    """A segment survives the way through its file name."""
    listed = [segment(0, 9), segment(10, 19, HOUR + 1), segment(0, 4, partition=2)]
    touch(tmp_path, *listed)
    assert segments(tmp_path, "btc.ticks") == sorted(listed)
    assert newest(listed) == {0: segment(10, 19, HOUR + 1), 2: segment(0, 4, partition=2)}


def test_parts_of_a_merged_file_are_not_listed_and_are_removed(tmp_path: Path) -> None:
    """A crash between rename and removal shows no message twice."""
    touch(tmp_path, segment(0, 9), segment(10, 19), segment(0, 19), segment(20, 29))
    assert segments(tmp_path, "btc.ticks") == [segment(0, 19), segment(20, 29)]
    assert remove_leftovers(tmp_path, "btc.ticks") == 2
    assert len(list(tmp_path.rglob("*.parquet"))) == 2


def test_unfinished_files_are_removed_and_foreign_ones_are_not(tmp_path: Path) -> None:
    """What a crash left is removed; what another program put there stays."""
    touch(tmp_path, segment(0, 9))
    folder = (tmp_path / segment(0, 9).name).parent
    (folder / (Path(segment(10, 19).name).name + ".part")).touch()
    (folder / "private.txt").touch()
    assert remove_leftovers(tmp_path, "btc.ticks") == 1
    assert (folder / "private.txt").exists()


def test_a_new_epoch_counts_as_newer_whatever_its_offsets() -> None:
    """A topic that was created again continues from its own offsets."""
    assert newest([segment(500, 599), segment(0, 9, epoch=1)])[0].epoch == 1


def test_only_neighbours_of_finished_hours_are_merged() -> None:
    """A merged range never spans a file of another hour, or that one would count as contained."""
    a, b, c, d, e = (segment(n, n, HOUR + hour) for n, hour in enumerate([0, 0, 1, 0, 2]))
    assert list(mergeable([e, d, c, b, a])) == [[a, b]]


def test_retention_keeps_the_newest_file_of_each_partition() -> None:
    """However old it is, the archiver continues after it."""
    old, older_mark = segment(0, 9, HOUR - 100), segment(0, 9, HOUR - 100, partition=1)
    fresh = segment(10, 19)
    assert expired([old, fresh, older_mark], (HOUR + 1) * 3600.0, keep_days=1.0) == [old]
