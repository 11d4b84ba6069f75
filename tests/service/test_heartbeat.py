"""What a process tells of itself."""

import os

import psutil

from app import metrics
from app.service.heartbeat import ProcessStatus, errors_survived, measure


def test_a_heartbeat_holds_resources_progress_and_note() -> None:
    """Refreshed first, then measured."""
    process_status = ProcessStatus(note="live")
    process_status.refresh = lambda: setattr(process_status, "progress", {"second": 7.0})
    beat = measure("worker", "0", process_status, psutil.Process())
    assert (beat.process, beat.pid, beat.note, beat.progress) == ("worker", os.getpid(), "live", {"second": 7.0})
    assert beat.rss_mb > 10
    assert beat.started_ms < beat.at_ms


def test_errors_that_were_survived_are_counted_by_kind() -> None:
    """The counters of this process, under their kinds."""
    before = errors_survived().get("DiskFullError", 0)
    metrics.ERRORS.labels("worker", "DiskFullError").inc()
    assert errors_survived()["DiskFullError"] == before + 1


def test_a_status_asks_what_the_work_has_set_meanwhile() -> None:
    """Alive and ready are looked up when asked, not when the process_status was made."""
    process_status = ProcessStatus()
    assert (process_status.stall_reason(), process_status.not_ready_reason()) == ("", "")
    process_status.stall_reason = lambda: "no progress"
    assert process_status.stall_reason() == "no progress"
