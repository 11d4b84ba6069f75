"""Reading commands as typed, in a folder with sources, without Kafka."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.service import ports

ROOT = Path(__file__).resolve().parents[2]


def btc(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `btc` in a folder and return what it printed."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BTC_")}
    return subprocess.run([sys.executable, "-m", "app.cli", *arguments], cwd=folder, capture_output=True, text=True,
                          check=False, env={**environment, "PYTHONPATH": str(ROOT), **variables})  # fmt: skip


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """Return a folder with the data of two sources."""
    for name in ("live", "synthetic-7"):
        (tmp_path / ".btc" / name / "archive" / "btc.ticks").mkdir(parents=True)
    return tmp_path


def test_an_archive_is_read_from_disk_alone(stored: Path) -> None:
    """No Kafka runs; --source says which archive, and a variable wins over it."""
    ask = ("archive", "query", "select count(*) as n from ticks", "--format", "csv")
    assert btc(stored, *ask, "--source", "synthetic-7").stdout == "n\n0\n"
    own = btc(stored, *ask, "--source", "live", BTC_DATA_DIR=str(stored / "elsewhere"))
    assert (own.returncode, own.stderr.splitlines()[0]) == (1, "btc: BTC_DATA_DIR is set, so --source live is not used")


def test_several_archives_are_listed_in_one_line(stored: Path) -> None:
    """Nothing runs, so the user has to choose."""
    refused = btc(stored, "archive", "tables")
    assert refused.returncode == 1
    assert refused.stderr == "btc: 2 sources are stored here: live, synthetic-7; choose one with --source NAME\n"


def test_releases_without_kafka_say_in_one_line_what_to_do(stored: Path) -> None:
    """No traceback and no library's log lines."""
    refused = btc(stored, "models", "list", BTC_BROKER_PORT=str(ports.free_port()))
    assert (refused.returncode, refused.stdout, len(refused.stderr.splitlines())) == (1, "", 1), refused.stderr
    assert "start it with `btc up`" in refused.stderr
