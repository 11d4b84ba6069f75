"""One emulated exchange and one collector on a broker, whether as processes or within a test."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from app.clock import Clock, wall_ms
from app.emulator.fault import Fault
from app.settings import Settings
from benchmarks.chaos.cases import PARTITIONS, SYMBOLS

TICKS_PER_S, MARKET_SEED = 20.0, 7


class Rig(Protocol):
    """What a run needs of its exchange and its collector."""

    settings: Settings
    record: Path  # the exchange's record

    async def start_collector(self) -> None:
        """Start the collector."""

    async def inject(self, faults: Sequence[Fault]) -> None:
        """Put faults in force."""

    async def state(self) -> dict[str, Any]:
        """Return the exchange's state, that of `GET /emulator`."""

    async def step_clock(self, by_s: float) -> None:
        """Make the collector's wall clock wrong by so much."""

    async def until_faults_end(self, ends_ms: float) -> None:
        """Wait until this wall time, and break meanwhile what is not the exchange's."""

    async def stop_collector(self) -> str:
        """Stop the collector; return what went wrong with it, or ""."""

    def first_sign_ms(self, begins_ms: float) -> float | None:
        """Return when log or metrics first showed something after a fault's begin, wall ms."""

    @property
    def rss_mb(self) -> float:
        """The most memory of the collector."""


def collector_settings(port: int) -> dict[str, Any]:
    """Return the settings of a run's collector: symbols, partitions and the exchange on this port."""
    rest = f"http://127.0.0.1:{port}"
    return {"symbols": SYMBOLS, "partitions": PARTITIONS, "exchange_rest_url": rest,
            "exchange_ws_url": rest.replace("http", "ws")}  # fmt: skip


def clock_of(state: dict[str, Any]) -> Clock:
    """Return how the emulator relates wall and exchange time."""
    anchor = state["anchor"]
    return Clock(anchor["exchange_ms"], anchor["wall_ms"], state["speed"])


async def sleep_until(ends_ms: float) -> None:
    """Wait until this wall time, epoch ms."""
    await asyncio.sleep(max(0.0, ends_ms - wall_ms()) / 1000)
