"""Processes that are kept running, with real processes."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil

from app.up.supervisor import Supervisor

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
DEAF = [sys.executable, "-c", "import signal, time; signal.signal(15, signal.SIG_IGN); print('on'); time.sleep(60)"]


async def _until(condition, patience_s: float = 10.0) -> None:  # type: ignore[no-untyped-def]
    deadline = asyncio.get_running_loop().time() + patience_s
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, "waited in vain"
        await asyncio.sleep(0.02)


async def test_a_killed_process_is_started_again_and_named(tmp_path: Path) -> None:
    """A kill −9 costs one restart, and the reason is said."""
    said: list[str] = []
    async with Supervisor(tmp_path, said.append) as supervisor:
        child = await supervisor.start("sleeper", SLEEP, {})
        first = child.pid
        supervisor.kill("sleeper")
        await _until(lambda: child.restarts == 1 and child.pid not in (None, first))
    assert "sleeper ended (killed by SIGKILL)" in said[0]


async def test_the_last_line_of_a_crash_is_said(tmp_path: Path) -> None:
    """Why a process ended is the last thing it wrote."""
    said: list[str] = []
    async with Supervisor(tmp_path, said.append) as supervisor:
        await supervisor.start("broken", [sys.executable, "-c", "raise SystemExit('the disk is full')"], {})
        await _until(lambda: bool(said))
    assert "exit code 1: the disk is full" in said[0]


async def test_leaving_ends_every_process(tmp_path: Path) -> None:
    """After the supervisor nothing is left."""
    async with Supervisor(tmp_path, print) as supervisor:
        pids = [(await supervisor.start(name, SLEEP, {})).pid for name in "ab"]
    assert not [pid for pid in pids if psutil.pid_exists(pid or 0)]


def test_processes_end_with_a_supervisor_that_was_killed(tmp_path: Path) -> None:
    """A kill −9 of the supervisor leaves no orphan behind (Linux)."""
    script = (
        "import asyncio, sys\nfrom pathlib import Path\nfrom app.up.supervisor import Supervisor\n"
        "async def main():\n"
        "    async with Supervisor(Path(sys.argv[1]), print) as supervisor:\n"
        "        child = await supervisor.start('s', [sys.executable, '-c', 'import time; time.sleep(60)'], {})\n"
        "        print(child.pid, flush=True)\n"
        "        await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        orphan = psutil.Process(int(parent.stdout.readline()))
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()
    assert orphan.wait(timeout=5) is not None or not orphan.is_running()
