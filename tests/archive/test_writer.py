"""Writing on a disk that refuses."""

import asyncio
import errno
import threading
from typing import Any

import pytest

from app import metrics
from app.archive import parquet, writer
from app.archive.archiver import Archiver
from app.archive.segments import archive_folder
from app.archive.writer import Writer
from app.service.loop_watch import LoopWatch
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


async def test_a_full_disk_is_no_stall_and_a_disk_that_hangs_is_one(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A restart frees no space, but it may get rid of a mount that does not answer."""
    now_s, hangs, answers = 0.0, threading.Event(), threading.Event()
    refusals = [errno.ENOSPC] * 3
    archiver = Archiver(settings, loops=LoopWatch(clock=lambda: now_s))
    found = dict[str, str]()

    def write(*_given: Any) -> int:
        nonlocal now_s
        now_s += 60.0  # longest wait between two attempts is 30 s
        if refusals:
            found["full"] = archiver.loops.stall_reason()
            raise OSError(refusals.pop(), "refused")
        found["not ready"] = archiver.not_ready_reason()
        hangs.set()
        answers.wait(20)
        return 1

    monkeypatch.setattr(parquet, "write", write)
    monkeypatch.setattr(writer, "FIRST_WAIT_S", 0.0)
    buffer = buffer_of("ticks")
    buffer.append(message(0, b""), tick_batch(T0))
    archiver.loops.beat("archive the topics")
    writing = asyncio.create_task(archiver._writer.write(buffer))
    assert await asyncio.to_thread(hangs.wait, 20)
    now_s += 40.0
    found["hangs"] = archiver.loops.stall_reason()
    answers.set()
    await writing
    await archiver._writer.close([])
    assert found == {
        "full": "",
        "not ready": f"archive {archive_folder(settings)} cannot be written",
        "hangs": "no progress for 100 s: archive the topics",
    }
    assert (archiver.loops.stall_reason(), archiver.not_ready_reason()) == ("", "")
