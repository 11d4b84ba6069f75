"""Supervisor: keeps processes running on one machine.

A process that ends by itself is started again after a growing pause, with the reason; all of them end with the
supervisor, even if it is killed.
"""

import asyncio
import ctypes
import os
import re
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import psutil

from app.retry import keep_running

STOP_TIMEOUT_S = 15.0
STOPPED_LAST = ("exchange", "broker")  # the other processes need them
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 5.0
_PR_SET_PDEATHSIG = 1
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")

Say = Callable[[str], None]


class ProcessEndedError(RuntimeError):
    """A supervised process ended by itself; the message says why."""


@dataclass
class Child:
    """One supervised process and what became of it."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    nice: int = 0
    restarts: int = 0
    ended: list[str] = field(default_factory=list)  # why, one line each
    process: asyncio.subprocess.Process | None = None
    cpu_before_s: float = 0.0  # of the processes that ended
    rss_mb: float = 0.0  # the most that was measured
    cpu_s: float = 0.0

    @property
    def pid(self) -> int | None:
        """The running process, or None between its end and the next start."""
        return self.process.pid if self.process and self.process.returncode is None else None


class Supervisor:
    """Starts, watches, restarts and stops children; use as an async context manager."""

    def __init__(self, folder: Path, say: Say) -> None:
        self.folder = folder
        self.children: dict[str, Child] = {}
        self._say = say
        self._watchers: dict[str, asyncio.Task[None]] = {}
        self._meter: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._meter = asyncio.create_task(self._measure())
        return self

    async def __aexit__(self, *_error: object) -> None:
        """Stop all at once, but what the others need (`STOPPED_LAST`) after them."""
        await asyncio.gather(*(self.stop(name) for name in self.children if name not in STOPPED_LAST))
        for name in STOPPED_LAST:
            if name in self.children:
                await self.stop(name)
        if self._meter:
            self._meter.cancel()

    async def start(self, name: str, command: Sequence[str], environment: Mapping[str, str], nice: int = 0) -> Child:
        """Start a process and keep it running at this niceness; its output goes to `<folder>/<name>.log`."""
        child = Child(name, command, {**os.environ, **environment}, self.folder / f"{name}.log", nice)
        self.children[name] = child
        await self._launch(child)
        self._watchers[name] = asyncio.create_task(self._watch(child))
        return child

    async def stop(self, name: str) -> None:
        """End a process with SIGTERM; kill it after the timeout."""
        child = self.children[name]
        watcher = self._watchers.pop(name, None)
        if watcher:
            watcher.cancel()
        if child.process is None or child.pid is None:
            return
        child.process.terminate()
        try:
            await asyncio.wait_for(child.process.wait(), STOP_TIMEOUT_S)
        except TimeoutError:
            self._say(f"{name} does not end within {STOP_TIMEOUT_S:g} s of SIGTERM: killed")
            child.process.kill()
            await child.process.wait()

    def kill(self, name: str) -> None:
        """Kill a process with −9, as a crash would."""
        process = self.children[name].process
        if process and process.returncode is None:
            process.kill()

    async def _launch(self, child: Child) -> None:
        with child.log.open("ab") as log:
            child.process = await asyncio.create_subprocess_exec(
                *child.command, env=dict(child.environment), stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, preexec_fn=_ends_with_parent(os.getpid(), child.nice),
            )  # fmt: skip

    async def _watch(self, child: Child) -> None:
        async def run() -> None:
            if child.process is None:
                await self._launch(child)
            await self._wait(child)

        await keep_running(
            run, f"keep {child.name} running", process="up", on=ProcessEndedError, first_wait_s=FIRST_PAUSE_S,
            longest_wait_s=LONGEST_PAUSE_S, on_failure=lambda error: self._say(str(error)),
        )  # fmt: skip

    async def _wait(self, child: Child) -> None:
        assert child.process is not None
        code = await child.process.wait()
        child.process = None
        child.cpu_before_s, child.cpu_s = child.cpu_before_s + child.cpu_s, 0.0
        child.restarts += 1
        child.ended.append(_end_reason(code, child.log))
        raise ProcessEndedError(f"{child.name} ended ({child.ended[-1]}); starting it again, its log: {child.log}")

    async def _measure(self) -> None:
        while True:
            for child in self.children.values():
                if child.pid:
                    child.rss_mb, child.cpu_s = _resources(child.pid, child)
            await asyncio.sleep(1)


def _resources(pid: int, child: Child) -> tuple[float, float]:
    try:
        processes = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
        rss_mb = sum(one.memory_info().rss for one in processes) / 1e6
        cpu_s = sum(sum(one.cpu_times()[:2]) for one in processes)
    except psutil.Error:  # it ended just now
        return child.rss_mb, child.cpu_s
    return max(child.rss_mb, rss_mb), cpu_s


def _end_reason(code: int, log: Path) -> str:
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    text = log.read_text(errors="replace") if log.exists() else ""
    lines = [line.strip() for line in CONTROL.sub("", text[-20_000:]).splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("btc ")]  # written for a person, unlike what may follow it
    return f"exit code {code}: {(errors or lines or ['no output'])[-1][:300]}"


def _ends_with_parent(parent: int, nice: int) -> Callable[[], None] | None:
    """Return what a child does before its command starts: be nicer, and end when this process dies (Linux)."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None).prctl

    def prepare() -> None:
        os.nice(nice)
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died before the request
            os._exit(1)

    return prepare
