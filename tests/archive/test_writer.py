"""Writing on a disk that refuses."""

import errno
from typing import Any

import pytest

from app import metrics
from app.archive import parquet, writer
from app.archive.segments import archive_folder
from app.archive.writer import Writer
from app.settings import Settings
from tests.archive.batches import (
    T0,
    buffer_of,
    message,
    rows,
    tick_batch,
)


async def test_a_full_disk_is_tried_until_it_has_space(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three refusals, one stall, then the same rows are on disk."""
    progress = dict.fromkeys(("stalled", "files", "size_mb"), 0.0)
    root, refusals = archive_folder(settings), [errno.ENOSPC, errno.EIO, errno.ENOSPC]
    writing, write, stalled = Writer(root, settings, ["btc.ticks"], progress), parquet.write, []
    counted = metrics.ARCHIVE_ERRORS.labels("ENOSPC")
    before = counted._value.get()

    def moody(*given: Any) -> int:
        if refusals:
            raise OSError(refusals.pop(), "refused")
        stalled.append(progress["stalled"])
        return write(*given)

    monkeypatch.setattr(parquet, "write", moody)
    monkeypatch.setattr(writer, "FIRST_WAIT_S", 0.0)
    buffer = buffer_of("ticks")
    buffer.append(message(0, b""), tick_batch(T0))
    await writing.write(buffer)
    await writing.close([buffer])
    assert (stalled, progress["stalled"], progress["files"]) == ([1.0], 0.0, 1.0)
    assert counted._value.get() == before + 2
    assert buffer.first is None
    assert len(rows(settings, "select * from ticks")) == 2
