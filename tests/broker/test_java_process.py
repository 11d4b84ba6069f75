"""A Java process: its output, its end, its log."""

from pathlib import Path

import pytest

from app.broker import java_process
from app.broker.java_process import JavaProcess


def test_output_goes_to_the_log_and_to_the_tail(tmp_path: Path) -> None:
    """The log and the tail hold the same lines, and the exit code is returned."""
    java = JavaProcess(["-version"], cwd=tmp_path, log=tmp_path / "broker.log")
    assert java.wait(20) == 0
    assert not java.is_running
    assert "openjdk version" in java.tail[0]
    assert (tmp_path / "broker.log").read_text().splitlines() == list(java.tail)


def test_the_log_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However much Java writes, the log and its predecessor stay within their bounds."""
    monkeypatch.setattr(java_process, "LOG_BYTES", 1000)
    JavaProcess(["-XX:+PrintFlagsFinal", "-version"], cwd=tmp_path, log=tmp_path / "broker.log").wait(20)
    sizes = sorted((path.name, path.stat().st_size <= 1000) for path in tmp_path.iterdir())
    assert sizes == [("broker.log", True), ("broker.log.1", True)]


def test_java_runs_without_a_log(tmp_path: Path) -> None:
    """If the log cannot be written, the tail still holds the output."""
    java = JavaProcess(["-version"], cwd=tmp_path, log=tmp_path / "missing" / "broker.log")
    assert java.wait(20) == 0
    assert java.tail


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_on_a_full_disk_the_output_is_kept_in_memory(tmp_path: Path) -> None:
    """If the disk is full, the lines that say so are in the tail."""
    java = JavaProcess(["-version"], cwd=tmp_path, log=Path("/dev/full"))
    assert java.wait(20) == 0
    assert java.tail


def test_a_process_that_ended_can_be_stopped(tmp_path: Path) -> None:
    """`stop` after the end does nothing."""
    java = JavaProcess(["-version"], cwd=tmp_path, log=tmp_path / "broker.log")
    java.wait(20)
    java.stop()


def test_a_start_that_fails_raises_in_the_callers_thread(tmp_path: Path) -> None:
    """A folder that does not exist raises FileNotFoundError."""
    with pytest.raises(FileNotFoundError):
        JavaProcess(["-version"], cwd=tmp_path / "gone", log=tmp_path / "broker.log")
