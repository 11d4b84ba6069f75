"""The exchange and the collector as tasks of this process, for tests: started in an instant, without logs."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from app.collector.collector import Collector
from app.emulator.fault import Fault
from app.emulator.server import Exchange
from app.emulator.synthetic import synthetic
from app.settings import Settings
from benchmarks.chaos.cases import SYMBOLS
from benchmarks.chaos.rig import MARKET_SEED, TICKS_PER_S, collector_settings, sleep_until


class InProcessRig:
    """One exchange and one collector; see `in_process_rig`."""

    rss_mb = 0.0  # of the whole test, so nothing to state

    def __init__(self, exchange: Exchange, settings: Settings, record: Path) -> None:
        self.settings, self.record = settings, record
        self._exchange = exchange
        self._collecting: asyncio.Task[None] | None = None

    async def start_collector(self) -> None:
        """Start the collector."""
        self._collecting = asyncio.create_task(Collector(self.settings).run(), name="collector")

    async def inject(self, faults: Sequence[Fault]) -> None:
        """Put faults in force."""
        for fault in faults:
            self._exchange.faults.inject(fault)

    async def state(self) -> dict[str, Any]:
        """Return the exchange's state."""
        return self._exchange.emulator.state()

    async def step_clock(self, by_s: float) -> None:
        """Refuse: the clock of a test is everybody's."""
        raise NotImplementedError("the clock of this process is not the collector's alone: use processes")

    async def until_faults_end(self, ends_ms: float) -> None:
        """Wait until this wall time."""
        await sleep_until(ends_ms)

    async def stop_collector(self) -> str:
        """Stop the collector; return the error it ended with, or ""."""
        if self._collecting is None:
            return ""
        self._collecting.cancel()
        await asyncio.wait([self._collecting])
        error = None if self._collecting.cancelled() else self._collecting.exception()
        return repr(error) if error else ""

    def first_sign_ms(self, begins_ms: float) -> float | None:
        """Return None: log and metrics are the whole test's. The ledger's records still count."""
        return None


@asynccontextmanager
async def in_process_rig(kafka: str, prefix: str, folder: Path) -> AsyncIterator[InProcessRig]:
    """Run an exchange, and a collector when it is started; both end with the body."""
    record = folder / "record"
    async with Exchange(synthetic(MARKET_SEED, SYMBOLS, ticks_per_s=TICKS_PER_S), record=record) as exchange:
        settings = Settings(kafka_url=kafka, topic_prefix=prefix, app_id=prefix, **collector_settings(exchange.port))
        rig = InProcessRig(exchange, settings, record)
        try:
            yield rig
        finally:
            await rig.stop_collector()
