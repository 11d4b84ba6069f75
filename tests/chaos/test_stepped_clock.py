"""The wrong wall clock of a collector."""

import subprocess
import sys
import time
from pathlib import Path

PROGRAM = """
import sys, time
from benchmarks.chaos import stepped_clock
import app.cli
app.cli.main = lambda: (time.sleep(0.3), print(time.time(), time.time_ns(), time.monotonic(), *sys.argv))
stepped_clock.main()
"""


def test_the_wall_clock_is_wrong_and_the_monotonic_clock_is_right(tmp_path: Path) -> None:
    """As after a step of the machine's clock; `btc` gets its arguments."""
    file = tmp_path / "offset_s"
    file.write_text("-3600")
    command = [sys.executable, "-c", PROGRAM, str(file), "collect"]
    before, steady = time.time(), time.monotonic()
    said = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]).stdout
    wall_s, wall_ns, monotonic_s, *arguments = said.split()
    assert -3600.1 < float(wall_s) - before < -3500
    assert abs(int(wall_ns) / 1e9 - float(wall_s)) < 1
    assert steady < float(monotonic_s) < steady + 100
    assert arguments == ["btc", "collect"]
