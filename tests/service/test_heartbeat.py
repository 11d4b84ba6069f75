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


def test_a_process_says_first_that_kafka_is_away_and_then_what_its_work_waits_for() -> None:
    """Without Kafka the work's own reasons are consequences; being alive is the work's word alone."""
    process_status, kafka = ProcessStatus(), ["Kafka cannot be used for 12 s"]
    process_status.kafka_reason = lambda: kafka[0]
    checks = process_status.checks()
    process_status.not_ready_reason = lambda: "tables are being recovered"
    assert (checks.not_ready_reason(), checks.stall_reason()) == ("Kafka cannot be used for 12 s", "")
    kafka[0] = ""
    assert checks.not_ready_reason() == "tables are being recovered"
    process_status.stall_reason = lambda: "no progress for 31 s"
    assert checks.stall_reason() == "no progress for 31 s"
