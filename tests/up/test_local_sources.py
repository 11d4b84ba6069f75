"""Which sources run or are stored on this machine."""

import os
from pathlib import Path

import msgspec
import psutil

from app.settings import Settings
from app.up.local_sources import FILE, LocalSource, SourceFile, local_sources, write_source_file


def _write(folder: Path, pid: int, started_s: float) -> None:
    folder.mkdir(parents=True)
    made = SourceFile("synthetic-7", "127.0.0.1:9092", pid, started_s)
    (folder / FILE).write_bytes(msgspec.json.encode(made))


def test_a_source_that_runs_is_found_with_its_kafka(tmp_path: Path) -> None:
    """The file of a living process says which source it runs and where its Kafka is."""
    settings = Settings(data_dir=tmp_path / "synthetic-7", source="synthetic-7", kafka_url="127.0.0.1:19092")
    write_source_file(settings)
    (found,) = local_sources(tmp_path)
    assert found == LocalSource(tmp_path / "synthetic-7", "synthetic-7", "127.0.0.1:19092")
    assert found.running


def test_the_file_of_a_dead_process_is_ignored(tmp_path: Path) -> None:
    """After kill −9 the file is still there; without data nothing is found, with data the source is stored."""
    dead = max(psutil.pids()) + 100_000
    _write(tmp_path / "runs" / "synthetic-7-20261122-101500", dead, 1.0)
    assert local_sources(tmp_path) == []
    (tmp_path / "runs" / "synthetic-7-20261122-101500" / "archive").mkdir()
    (found,) = local_sources(tmp_path)
    assert (found.name, found.source, found.running) == ("synthetic-7-20261122-101500", "synthetic-7", False)


def test_another_process_with_the_same_pid_is_not_taken_for_it(tmp_path: Path) -> None:
    """Pids are used again: the start must be the same too."""
    _write(tmp_path / "live", os.getpid(), psutil.Process().create_time() - 3600)
    assert local_sources(tmp_path) == []


def test_folders_with_data_are_sources_even_without_a_file(tmp_path: Path) -> None:
    """Kafka's log or an archive makes a source; other folders and damaged files do not."""
    (tmp_path / "live" / "kafka").mkdir(parents=True)
    (tmp_path / "replay-day" / "archive").mkdir(parents=True)
    (tmp_path / "bench-venv" / "bin").mkdir(parents=True)
    (tmp_path / "live" / FILE).write_bytes(b"{")
    assert [(one.name, one.running) for one in local_sources(tmp_path)] == [("live", False), ("replay-day", False)]


def test_without_any_folder_there_is_no_source(tmp_path: Path) -> None:
    """On a fresh checkout `.btc` is not there."""
    assert local_sources(tmp_path / "nothing") == []
