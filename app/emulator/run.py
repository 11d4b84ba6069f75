"""The command `btc exchange`: the emulator as a process of its own."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from app.emulator.market_source import MarketSource, MarketSourceError
from app.emulator.replay import replay
from app.emulator.scenario import read_scenario
from app.emulator.server import Exchange, serve
from app.emulator.synthetic import synthetic

DEFAULT_SEED = 7


def run(
    *,
    synthetic_seed: int | None = None,
    replay_files: Sequence[Path | str] = (),
    symbols: str = "BTCUSDT",
    martingale: bool = False,
    ticks_per_s: float = 30.0,
    speed: float = 1.0,
    hold: bool | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
    scenario: Path | None = None,
    record: Path | None = None,
) -> int:
    """Serve until SIGINT or SIGTERM; return the exit code: 0, or 2 after one line on standard error that says why."""
    try:
        if synthetic_seed is None and not replay_files:
            synthetic_seed = DEFAULT_SEED
        source = _source(synthetic_seed, replay_files, symbols, martingale=martingale, ticks_per_s=ticks_per_s)
        faults = read_scenario(scenario) if scenario else ()
        options: dict[str, Any] = {"host": host, "port": port, "speed": speed, "hold": hold}
        asyncio.run(serve(source, **options, scenario=faults, record=record, ready=_announce))
    except MarketSourceError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def _source(
    seed: int | None, files: Sequence[Path | str], symbols: str, *, martingale: bool, ticks_per_s: float
) -> MarketSource:
    if seed is None:
        return replay(files)
    if files:
        raise MarketSourceError("exchange: a seed and recordings together; choose --synthetic or --replay")
    return synthetic(seed, symbols, martingale=martingale, ticks_per_s=ticks_per_s)


def _announce(exchange: Exchange) -> None:
    # exchange: synthetic 7 at speed 1 on ws://127.0.0.1:4711/ and http://127.0.0.1:4711
    label, speed = exchange.source.label, f"{exchange.clock.speed:g}"
    sys.stdout.write(f"exchange: {label} at speed {speed} on {exchange.ws_url} and {exchange.rest_url}\n")
    sys.stdout.flush()
