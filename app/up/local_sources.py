"""Sources on this machine: the folder of each, and whether a `btc up` runs it now."""

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import psutil

from app.settings import Settings
from app.up.source import ROOT

FILE = "source.json"  # in the source's folder, written by its `btc up`
SAME_START_S = 60.0  # a process that started at another time only has the same pid


class SourceFile(msgspec.Struct, frozen=True):
    """What a `btc up` writes down, so that other commands find its source."""

    source: str
    kafka_url: str
    pid: int
    started_s: float  # wall time at which the process started

    def is_running(self) -> bool:
        """Return whether the process that wrote it lives."""
        try:
            started_s: float = psutil.Process(self.pid).create_time()
        except psutil.Error:
            return False
        return abs(started_s - self.started_s) < SAME_START_S


class LocalSource(msgspec.Struct, frozen=True):
    """One source with a folder of its own."""

    folder: Path
    source: str
    kafka_url: str = ""  # empty: it does not run

    @property
    def name(self) -> str:
        """The name of its folder: `live`, `synthetic-7`, `synthetic-7-20261122-101500`."""
        return self.folder.name

    @property
    def running(self) -> bool:
        """Whether a `btc up` runs it now."""
        return bool(self.kafka_url)


def write_source_file(settings: Settings) -> None:
    """Write down that this process runs the source of these settings; no one has to remove it."""
    started_s = psutil.Process().create_time()
    made = SourceFile(settings.source, settings.bootstrap, os.getpid(), started_s)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    (settings.data_dir / FILE).write_bytes(msgspec.json.encode(made))


def local_sources(root: Path = ROOT) -> list[LocalSource]:
    """Return the sources that run or have data below a folder, in the order of their names."""
    return list(_local_sources(root))


def _local_sources(root: Path) -> Iterator[LocalSource]:
    for folder in sorted((*root.glob("*/"), *root.glob("runs/*/"))):
        file = _source_file(folder)
        if file and file.is_running():
            yield LocalSource(folder, file.source, file.kafka_url)
        elif (folder / "archive").is_dir() or (folder / "kafka").is_dir():
            yield LocalSource(folder, file.source if file else folder.name)


def _source_file(folder: Path) -> SourceFile | None:
    try:
        return msgspec.json.decode((folder / FILE).read_bytes(), type=SourceFile)
    except (OSError, msgspec.MsgspecError):
        return None
