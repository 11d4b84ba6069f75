"""Two collectors that take each other's partitions over: kill −9, SIGSTOP and a broker that acknowledges slowly."""

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from app.clock import wall_ms
from app.service import ports
from benchmarks.chaos.cases import Case
from benchmarks.chaos.process_rig import ProcessRig, SteppableProcesses, running_exchange
from benchmarks.chaos.signs import first_line_ms, tracebacks

OWNERS, INSTANCES = "two owners", ("a", "b")
KILL_EVERY_S, BACK_AFTER_S = 20.0, 2.0
SUSPENDED_S = 12.0  # longer than the session of the collectors' group
SLOW_S = 1.5  # the broker answers nothing for so long
Say = Callable[[str], None]


def owners_case(seconds: float, seed: int) -> Case:
    """Return the case: so many seconds of kills."""
    return Case(name=OWNERS, seed=seed, lasts_s=seconds)


class OwnersRig(ProcessRig):
    """One exchange and two collectors, one of which is killed every 20 s while the other may be suspended."""

    def __init__(
        self, processes: SteppableProcesses, folder: Path, port: int, *, broker_pid: int, seed: int, say: Say
    ) -> None:
        super().__init__(processes, folder, port)
        self._folder, self._broker_pid, self._say = folder, broker_pid, say
        self._random = random.Random(seed)
        self._pids: dict[str, int] = {}

    async def start_collector(self) -> None:
        """Start both collectors."""
        for name in INSTANCES:
            self._start(name)

    def _start(self, name: str) -> None:
        process = self._processes.start_stepped(
            name, "collect", BTC_INSTANCE=name, BTC_METRICS_PORT=str(ports.free_port())
        )
        self._pids[name] = process.pid

    async def until_faults_end(self, ends_ms: float) -> None:
        """Kill one collector every 20 s, and suspend the other or the broker in between."""
        while wall_ms() + 1000 * KILL_EVERY_S < ends_ms:
            killed, other = self._random.sample(INSTANCES, 2)
            await self._disturb(self._random.choice(("nothing", "suspended", "slow broker")), other, killed)
        await asyncio.sleep(max(0.0, ends_ms - wall_ms()) / 1000)

    async def _disturb(self, what: str, other: str, killed: str) -> None:
        self._say(f"kill −9 of {killed}, {what}" + (f": {other}" if what == "suspended" else ""))
        if what == "slow broker":
            await _stopped(self._broker_pid, SLOW_S)
        await asyncio.to_thread(self._processes.kill, killed)
        await asyncio.sleep(BACK_AFTER_S)
        self._start(killed)
        if what == "suspended":
            await asyncio.sleep(self._random.uniform(0.0, 3.0))
            await _stopped(self._pids[other], SUSPENDED_S)
            await asyncio.sleep(KILL_EVERY_S - BACK_AFTER_S - SUSPENDED_S - 3.0)
        else:
            await asyncio.sleep(KILL_EVERY_S - BACK_AFTER_S)

    async def stop_collector(self) -> str:
        """Stop both; return their tracebacks."""
        for name in INSTANCES:
            await asyncio.to_thread(self._processes.stop, name)
        return "; ".join(line[:300] for name in INSTANCES for line in tracebacks(self._log_of(name))[:1])

    def first_sign_ms(self, begins_ms: float) -> float | None:
        """Return when one of the logs first said something."""
        found = (first_line_ms(self._log_of(name), begins_ms) for name in INSTANCES)
        return min((at_ms for at_ms in found if at_ms is not None), default=None)

    def _log_of(self, name: str) -> Path:
        return self._folder / f"{name}.log"


async def _stopped(pid: int, seconds: float) -> None:
    os.kill(pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(seconds)
    finally:
        os.kill(pid, signal.SIGCONT)


@asynccontextmanager
async def owners_rig(
    kafka: str, prefix: str, folder: Path, *, broker_pid: int, seed: int, say: Say
) -> AsyncIterator[OwnersRig]:
    """Run an exchange, and two collectors when they are started; all end with the body."""
    async with running_exchange(
        kafka, prefix, folder, lambda processes, port: OwnersRig(
            processes, folder, port, broker_pid=broker_pid, seed=seed, say=say
        )
    ) as rig:  # fmt: skip
        yield rig
