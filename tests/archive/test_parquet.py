"""Parquet files of the archive."""

import errno

import pyarrow.parquet as pq
import pytest

from app.archive import parquet
from app.archive.parquet import ArchiveError
from app.archive.segments import archive_folder
from app.settings import Settings
from tests.archive.batches import (
    T0,
    archived,
    buffer_of,
    message,
    segment,
    tick_batch,
    touch,
)


def test_a_full_disk_leaves_nothing_behind(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The temporary file is removed, and the buffer keeps its messages."""
    buffer = buffer_of("ticks")
    buffer.append(message(0, b""), tick_batch(T0))

    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    content = buffer.content()
    assert content
    with pytest.raises(OSError, match="No space"):
        parquet.write(archive_folder(settings), *content)
    assert not list(settings.data_dir.rglob("*.parquet*"))
    assert buffer.content() is not None


def test_a_damaged_file_is_named_with_what_to_do(settings: Settings) -> None:
    """The user reads which file and what to do."""
    touch(archive_folder(settings), segment(0, 9))
    with pytest.raises(ArchiveError, match=r"p000-e0.*move it away"):
        parquet.read_footer(archive_folder(settings) / segment(0, 9).name)


def test_files_are_zstd(settings: Settings) -> None:
    """Every column is compressed."""
    archived(settings, "ticks", tick_batch(T0))
    (path,) = settings.data_dir.rglob("*.parquet")
    group = pq.ParquetFile(path).metadata.row_group(0)
    assert {group.column(n).compression for n in range(group.num_columns)} == {"ZSTD"}
