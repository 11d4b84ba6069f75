"""One Java process: its output, its end, its log."""

from pathlib import Path

import pytest

from app.broker import java as broker_java
from app.broker.java import Java


def test_what_java_says_is_logged_and_kept(tmp_path: Path) -> None:
    """Output goes to the log and to the tail, and the exit code is told."""
    java = Java(["-version"], cwd=tmp_path, log=tmp_path / "broker.log")
    assert java.wait(20) == 0
    assert not java.alive
    assert "openjdk version" in java.tail[0]
    assert (tmp_path / "broker.log").read_text().splitlines() == list(java.tail)


def test_the_log_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However much Java says, the log and its predecessor stay within their bounds."""
    monkeypatch.setattr(broker_java, "LOG_BYTES", 1000)
    Java(["-XX:+PrintFlagsFinal", "-version"], cwd=tmp_path, log=tmp_path / "broker.log").wait(20)
    sizes = sorted((path.name, path.stat().st_size <= 1000) for path in tmp_path.iterdir())
    assert sizes == [("broker.log", True), ("broker.log.1", True)]


def test_a_log_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    """Where the log cannot be written, the tail still holds the words."""
    java = Java(["-version"], cwd=tmp_path, log=tmp_path / "missing" / "broker.log")
    assert java.wait(20) == 0
    assert java.tail


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_does_not_silence_java(tmp_path: Path) -> None:
    """When the disk has no room for the log, the words that say so still arrive."""
    java = Java(["-version"], cwd=tmp_path, log=Path("/dev/full"))
    assert java.wait(20) == 0
    assert java.tail


def test_stopping_twice_does_no_harm(tmp_path: Path) -> None:
    """A process that already ended is left in peace."""
    java = Java(["-version"], cwd=tmp_path, log=tmp_path / "broker.log")
    java.wait(20)
    java.stop()


def test_a_folder_that_is_gone_is_told(tmp_path: Path) -> None:
    """A start that the system refuses raises its reason in the caller's thread."""
    with pytest.raises(FileNotFoundError):
        Java(["-version"], cwd=tmp_path / "gone", log=tmp_path / "broker.log")
