"""`btc exchange` and `btc collect` as processes on one broker."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import httpx
import msgspec
import psutil

from app.emulator.fault import Fault
from app.service import ports
from benchmarks.chaos.cases import SYMBOLS
from benchmarks.chaos.rig import MARKET_SEED, TICKS_PER_S, collector_settings, sleep_until
from benchmarks.chaos.signs import MetricSamples, first_line_ms, tracebacks
from benchmarks.processes import Processes

START_PATIENCE_S = 90.0


class SteppableProcesses(Processes):
    """Processes of which some have a wall clock that `clock_file` makes wrong."""

    @property
    def clock_file(self) -> Path:
        """The file with the seconds by which the clock is wrong."""
        return self.folder / "clock_offset_s"

    def start_stepped(self, name: str, *arguments: str, **variables: str) -> psutil.Process:
        """Start `btc ARGUMENTS` with that clock and these environment variables."""
        command = [sys.executable, "-m", "benchmarks.chaos.stepped_clock", str(self.clock_file), *arguments]
        environment = {**os.environ, **self.settings.environment(), **variables}
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._running[name] = process
        return psutil.Process(process.pid)


class ProcessRig:
    """One exchange and one collector; see `process_rig`."""

    def __init__(self, processes: SteppableProcesses, folder: Path, port: int) -> None:
        self.settings, self.record = processes.settings, folder / "record"
        self._processes, self._log = processes, folder / "collector.log"
        self._url, self._port = f"http://127.0.0.1:{port}", port
        self._samples: MetricSamples | None = None
        self._sampling: asyncio.Task[None] | None = None

    async def start_exchange(self) -> None:
        """Start the exchange and wait until it answers."""
        self._processes.start(
            "exchange", "exchange", "--synthetic", str(MARKET_SEED), "--symbols", ",".join(SYMBOLS), "--ticks-per-s",
            str(TICKS_PER_S), "--port", str(self._port), "--record", str(self.record),
        )  # fmt: skip
        async with asyncio.timeout(START_PATIENCE_S):
            while True:
                with suppress(httpx.HTTPError):
                    await self.state()
                    return
                await asyncio.sleep(0.2)

    async def start_collector(self) -> None:
        """Start the collector, and watch its metrics and memory."""
        self._samples = MetricSamples(self.settings.metrics_port, self._processes.start_stepped("collector", "collect"))
        self._sampling = asyncio.create_task(self._samples.run(), name="samples")

    async def inject(self, faults: Sequence[Fault]) -> None:
        """Put faults in force."""
        async with self._client() as client:
            answer = await client.post("/emulator/faults", content=msgspec.json.encode(list(faults)))
            answer.raise_for_status()

    async def state(self) -> dict[str, Any]:
        """Return the exchange's state."""
        async with self._client() as client:
            state: dict[str, Any] = (await client.get("/emulator")).raise_for_status().json()
            return state

    async def step_clock(self, by_s: float) -> None:
        """Make the collector's wall clock wrong by so much."""
        await asyncio.to_thread(self._processes.clock_file.write_text, f"{by_s}")

    async def until_faults_end(self, ends_ms: float) -> None:
        """Wait until this wall time."""
        await sleep_until(ends_ms)

    async def stop_collector(self) -> str:
        """Stop the collector; return its exit code if it is not 0, and the first traceback in its log."""
        await self.stop_sampling()
        code = await asyncio.to_thread(self._processes.stop, "collector")
        errors = tracebacks(self._log)
        return "; ".join([f"exit code {code}"] * bool(code) + [line[:300] for line in errors[:1]])

    async def stop_sampling(self) -> None:
        """Watch metrics and memory no longer."""
        if self._sampling:
            self._sampling.cancel()
            await asyncio.wait([self._sampling])

    def first_sign_ms(self, begins_ms: float) -> float | None:
        """Return when log or metrics first showed something."""
        assert self._samples is not None
        signs = (first_line_ms(self._log, begins_ms), self._samples.first_sign_ms(begins_ms))
        return min((at_ms for at_ms in signs if at_ms is not None), default=None)

    @property
    def rss_mb(self) -> float:
        """The most memory of the collector."""
        return self._samples.most_rss_mb if self._samples else 0.0

    def _client(self) -> httpx.AsyncClient:
        transport = httpx.AsyncHTTPTransport(retries=3, verify=False, trust_env=False)  # plain HTTP on loopback
        return httpx.AsyncClient(base_url=self._url, timeout=30.0, transport=transport)


AnyRig = TypeVar("AnyRig", bound=ProcessRig)


@asynccontextmanager
async def running_exchange(
    kafka: str, prefix: str, folder: Path, make: Callable[[SteppableProcesses, int], AnyRig]
) -> AsyncIterator[AnyRig]:
    """Run the exchange of a rig that `make` returns for a port; everything it starts ends with the body."""
    port = ports.free_port()
    options = collector_settings(port)
    with SteppableProcesses(
        folder, kafka, prefix, **options, metrics_port=ports.free_port(), log_format="ecs", log_level="INFO"
    ) as processes:
        rig = make(processes, port)
        await rig.start_exchange()
        try:
            yield rig
        finally:
            await rig.stop_sampling()


@asynccontextmanager
async def process_rig(kafka: str, prefix: str, folder: Path) -> AsyncIterator[ProcessRig]:
    """Run an exchange, and a collector when it is started; both end with the body."""
    async with running_exchange(
        kafka, prefix, folder, lambda processes, port: ProcessRig(processes, folder, port)
    ) as rig:
        yield rig
