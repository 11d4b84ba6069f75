"""The list of releases."""

import msgspec

from app.cli.model_admin import newest_second, rows
from app.domain.registry import Registry
from app.records import Heartbeat, ModelRelease


def _release(name: str, expires_ms: float) -> ModelRelease:
    return ModelRelease(
        id=name, kind="tensorflow", role="challenger", created_ms=1.0, feature_schema="", horizons_s=[], levels=[],
        sha256="", artifact=b"", expires_ms=expires_ms,
    )  # fmt: skip


def _heartbeat(process: str, **progress: float) -> bytes:
    return msgspec.json.encode(
        Heartbeat(
            process=process, instance="one", pid=1, at_ms=9e12, started_ms=0.0, version="", cpu_s=0.0, cpu_percent=0.0,
            rss_mb=0.0, net_sent_mb=0.0, net_received_mb=0.0, disk_read_mb=0.0, disk_written_mb=0.0, progress=progress,
        )
    )  # fmt: skip


def test_a_challenger_expires_by_exchange_time() -> None:
    """A replay of last year runs the releases of last year, whatever the wall clock shows."""
    known = Registry()
    known.update(_release("one", expires_ms=50.0))
    assert [row[1] for row in rows(known, 40.0)] == ["challenger"]
    assert [row[1] for row in rows(known, 60.0)] == ["challenger, not running"]


def test_the_exchange_time_is_the_newest_second_of_collectors_and_workers() -> None:
    """Other processes' figures and undecodable heartbeats do not count; without any it is 0."""
    beats = [_heartbeat("collector", second=7.0, lag_s=99.0), _heartbeat("worker", second_features=8.0, lag_x=99.0)]
    assert newest_second([*beats, _heartbeat("archive", second=9.0), b"{"]) == 8.0
    assert newest_second([]) == 0.0
