"""What a process tells of itself."""

import os

import psutil

from app import metrics
from app.heartbeat import Pulse, errors_survived, measure


def test_a_heartbeat_holds_resources_progress_and_note() -> None:
    """Refreshed first, then measured."""
    pulse = Pulse(note="live")
    pulse.refresh = lambda: setattr(pulse, "progress", {"second": 7.0})
    beat = measure("worker", "0", pulse, psutil.Process())
    assert (beat.process, beat.pid, beat.note, beat.progress) == ("worker", os.getpid(), "live", {"second": 7.0})
    assert beat.rss_mb > 10
    assert beat.started_ms < beat.at_ms


def test_errors_that_were_survived_are_counted_by_kind() -> None:
    """The counters of this process, under their kinds."""
    before = errors_survived().get("DiskFullError", 0)
    metrics.ERRORS.labels("worker", "DiskFullError").inc()
    assert errors_survived()["DiskFullError"] == before + 1


def test_a_pulse_asks_what_the_work_has_set_meanwhile() -> None:
    """Alive and ready are looked up when asked, not when the pulse was made."""
    pulse = Pulse()
    assert (pulse.is_alive(), pulse.is_ready()) == ("", "")
    pulse.alive = lambda: "no progress"
    assert pulse.is_alive() == "no progress"
