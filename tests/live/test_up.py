"""`btc up` on the emulated exchange, and the reading commands while it runs and afterwards."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 12
TRADES = ("archive", "query", "select count(*) as n from trades", "--format", "csv")


class CommandLine:
    """`btc` in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("BTC_")}
        self.folder = folder
        self._environment = {**inherited, "PYTHONPATH": str(ROOT), "BTC_ARCHIVE_FLUSH_S": "1"}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command."""
        return subprocess.Popen([sys.executable, "-m", "app.cli", *arguments], cwd=self.folder, text=True,
                                env=self._environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Run a command; return its exit code, what it printed, and its error."""
        process = self.start(*arguments)
        out, error = process.communicate(timeout=60)
        return process.returncode, out, error

    def trades(self) -> int:
        """Return how many trades `btc archive query` finds now, 0 while there is no archive."""
        code, out, error = self.run(*TRADES)
        assert code == 0 or "is empty: start `btc up`" in error, error
        return int(out.splitlines()[1]) if code == 0 else 0


@pytest.fixture
def command_line(tmp_path: Path, jars: list[Path]) -> CommandLine:
    """Return a command line in an empty folder; Kafka's jars are there."""
    assert jars
    return CommandLine(tmp_path)


@pytest.mark.slow
def test_reading_commands_find_the_source_that_runs(command_line: CommandLine) -> None:
    """Without any option or variable, archive and releases are those of the running `btc up`; its report is good."""
    up = command_line.start("up", "--exchange", "synthetic:7", "--seconds", str(SECONDS), "--report", "report.json")
    try:
        while not command_line.trades():
            assert up.poll() is None, up.communicate()
            time.sleep(0.5)
        code, out, error = command_line.run("models", "list")
        assert (code, "cold-start" in out, error) == (0, True, "")
        output, errors = up.communicate(timeout=120)
    finally:
        up.terminate()
        up.wait(timeout=60)
    report = json.loads((command_line.folder / "report.json").read_text())
    assert (up.returncode, report["reasons"]) == (0, []), output + errors
    assert report["seconds"]["collected"] >= SECONDS
    assert command_line.trades() > 0, "the only source on disk is read without Kafka"
    code, out, error = command_line.run("models", "list", "--source", "synthetic:7")
    assert (code, out) == (1, "")
    assert error == "btc: no source 'synthetic-7' runs here (runs: none): start it with `btc up`\n"
