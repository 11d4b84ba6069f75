"""The emulated exchange at one rate, and the clients that read it in turn: the collector, or python-binance alone."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import httpx
import psutil

from app.kafka import topics
from app.service import ports
from benchmarks import topic_io
from benchmarks.bench import Bench, running
from benchmarks.feed_lag import LiveSecond, live_seconds
from benchmarks.processes import Processes, until

WARM_UP_S = 5
PATIENCE_S = 60.0
PEER = "benchmarks.peers.python_binance_alone"


class Usage(NamedTuple):
    """What a client used over some seconds, and how much it was sent meanwhile."""

    seconds: float
    cpu_s: float
    emulator_cpu_s: float
    messages: int
    late_ms: float  # p50 of the emulator's newest messages
    dropped: int  # connections that it ended because their client did not read
    rss_mib: list[tuple[float, float]]  # second, MiB

    @property
    def rate(self) -> float:
        """Messages/s."""
        return self.messages / self.seconds

    @property
    def core_percent_per_thousand(self) -> float:
        """Percent of a core per 1,000 messages/s, which is also CPU ms per 100 messages."""
        return 100.0 * self.cpu_s / max(self.messages / 1000.0, 1e-9)


@dataclass
class Session:
    """An emulator that sends `rate` messages/s of all symbols together; `async with session(…)` gives one."""

    bench: Bench
    processes: Processes
    names: tuple[str, ...]
    rate: float
    url: str
    emulator: psutil.Process

    async def use(self, client: psutil.Process, seconds: float) -> Usage:
        """Wait until the client is warm, then measure it."""
        known = _count(self._state())
        await asyncio.to_thread(until, lambda: _count(self._state()) > known, "messages to flow", PATIENCE_S)
        await asyncio.sleep(WARM_UP_S)
        before, began_s, rss = self._state(), time.monotonic(), list[tuple[float, float]]()
        cpu_s, emulator_cpu_s = _cpu_s(client), _cpu_s(self.emulator)
        while (at_s := time.monotonic() - began_s) < seconds:
            rss.append((at_s, client.memory_info().rss / 2**20))
            await asyncio.sleep(min(1.0, seconds - at_s))
        cpu_s, emulator_cpu_s = _cpu_s(client) - cpu_s, _cpu_s(self.emulator) - emulator_cpu_s
        took_s, after = time.monotonic() - began_s, self._state()
        return Usage(took_s, cpu_s, emulator_cpu_s, _count(after) - _count(before),
                     float(after["late_ms"].get("p50", 0.0)), int(after["closed"].get("slow", 0)), rss)  # fmt: skip

    async def collector(self, seconds: float, **settings: Any) -> tuple[Usage, list[LiveSecond]]:
        """Measure a collector; return its usage and the live seconds that the broker has of it."""
        changed = self.processes.settings.model_copy(update=settings)
        self.processes.settings = changed
        usage = await self.use(self.processes.start("collector", "collect"), seconds)
        await asyncio.to_thread(self.processes.stop, "collector")
        read = await topic_io.messages(changed, topics.TICKS)
        return usage, live_seconds(((one.value, float(one.timestamp)) for one in read), warm_up_s=3)

    async def python_binance(self, seconds: float) -> Usage:
        """Measure python-binance alone on the same streams."""
        command = [sys.executable, "-m", PEER, self.url.replace("http", "ws"), ",".join(self.names)]
        with running(command, self.bench.folder / "python-binance.log") as process:
            return await self.use(psutil.Process(process.pid), seconds)

    def _state(self) -> dict[str, Any]:
        state: dict[str, Any] = httpx.get(f"{self.url}/emulator", timeout=30, trust_env=False).json()
        return state


@asynccontextmanager
async def session(bench: Bench, kafka: str, prefix: str, symbols: int, rate: float) -> AsyncIterator[Session]:
    """Run an emulator of some symbols with a topic prefix of its own while the body runs."""
    port, names = ports.free_port(), tuple(f"S{number:02d}USDT" for number in range(symbols))
    url = f"http://127.0.0.1:{port}"
    with Processes(bench.folder, kafka, prefix, symbols=names, exchange_rest_url=url,
                   exchange_ws_url=url.replace("http", "ws")) as processes:  # fmt: skip
        emulator = processes.start("exchange", "exchange", "--synthetic", "7", "--symbols", ",".join(names),
                                   "--ticks-per-s", f"{rate / symbols:g}", "--port", str(port))  # fmt: skip
        await asyncio.to_thread(processes.wait, lambda: _answers(url), "the emulator", PATIENCE_S)
        yield Session(bench, processes, names, rate, url, emulator)


def _count(state: dict[str, Any]) -> int:
    return sum(stream["count"] for streams in state["sent"].values() for stream in streams.values())


def _cpu_s(process: psutil.Process) -> float:
    return float(sum(process.cpu_times()[:2]))


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/api/v3/ping", timeout=2, trust_env=False).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False
