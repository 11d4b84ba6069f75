"""The exchange in a box for any test: a market served with faults, and what its clients receive.

async with exchange_with(Fault("skip", count=3)) as exchange:
    trades = await received(exchange, "btcusdt@aggTrade")
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import websockets
from websockets.asyncio.client import ClientConnection

from app.emulator import Exchange, MarketSource, synthetic
from app.emulator.fault import Fault


@asynccontextmanager
async def exchange_with(
    *faults: Fault, source: MarketSource | None = None, speed: float = 1.0, **options: Any
) -> AsyncIterator[Exchange]:
    """Serve a market (default: BTCUSDT, 300 ticks/s) with these faults; `options` are those of `Exchange`."""
    market = source or synthetic(7, ticks_per_s=300)
    async with Exchange(market, speed=speed, scenario=faults, **options) as exchange:
        yield exchange


@asynccontextmanager
async def connected(exchange: Exchange, *streams: str) -> AsyncIterator[ClientConnection]:
    """Connect to these streams, without a proxy and with an endless queue."""
    url = f"{exchange.ws_url}stream?streams={'/'.join(streams)}"
    async with websockets.connect(url, proxy=None, max_queue=None) as socket:
        yield socket


async def frames(socket: ClientConnection, count: int, timeout_s: float = 10.0) -> list[str | bytes]:
    """Return the next frames as they came."""
    async with asyncio.timeout(timeout_s):
        return [await socket.recv() for _ in range(count)]


async def received(exchange: Exchange, *streams: str, count: int = 100) -> list[dict[str, Any]]:
    """Return the payloads of the first messages of a new connection to these streams."""
    async with connected(exchange, *streams) as socket:
        return [json.loads(frame)["data"] for frame in await frames(socket, count)]
