"""Every stream of the exchange, always. What enters: symbols; what leaves: raw frames, from lines that replace
each other: at once after an error or a silence, ahead of time before Binance's 24 h cut.
"""

import asyncio
import contextlib
import itertools
import random
import time
from collections import deque

from aiohttp import ClientError
from binance import AsyncClient
from binance.exceptions import BinanceAPIException, BinanceRequestException
from websockets.exceptions import WebSocketException

from app.collector import binance
from app.collector.market_connection import MarketConnection, Receive
from app.logs import logger
from app.metrics import TICKS_RECONNECTS
from app.settings import Settings

STREAMS_PER_LINE = 300  # Binance's limit is 1,024; fewer share the load and the damage
BACKOFF_S, LONGEST_BACKOFF_S = 0.2, 30.0
HEALTHY_S = 30.0  # a line that lived this long forgives the failures before it
OVERLAP_S = 5.0  # the old line goes on until its successor's first message, at most so long
DRAIN_S = 1.0  # and then a little: it may lag behind its successor
PLANNED = {"age", "shutdown notice"}
UNREACHABLE = (
    OSError, ClientError, WebSocketException, TimeoutError, BinanceAPIException, BinanceRequestException
)  # fmt: skip
log = logger("collector")


def advice(url: str, error: object) -> str:
    """Return the one line a person needs when the exchange does not answer."""
    reason = str(error) or type(error).__name__
    return (
        f"Binance at {url} cannot be reached ({reason}): "
        "check the network, or run the emulator: btc up --exchange synthetic"
    )


def endpoints(urls: str) -> deque[str]:
    """Return the endpoints named, the one in use first; after a failure the next one's turn comes.

    >>> endpoints("wss://a, wss://b")
    deque(['wss://a', 'wss://b'])
    """
    return deque(url.strip() for url in urls.split(",") if url.strip())


def backoff_s(failures: int) -> float:
    """Return how long to wait after so many failures in a row: doubling from 0.2 s to 30 s, ± half, at random."""
    return min(BACKOFF_S * 2.0 ** min(failures, 20), LONGEST_BACKOFF_S) * random.uniform(0.5, 1.5)


class MarketStreams:
    """The lines of all symbols; `receive` gets every frame, those that two lines both carry twice."""

    def __init__(self, settings: Settings, client: AsyncClient, receive: Receive) -> None:
        self._urls = endpoints(settings.exchange_ws_url)
        self._client, self._receive, self._life_s = client, receive, settings.exchange_life_s
        self._lines: set[MarketConnection] = set()
        self._closing: set[asyncio.Task[None]] = set()
        names = binance.streams(settings.symbols)
        self._groups = [names[at : at + STREAMS_PER_LINE] for at in range(0, len(names), STREAMS_PER_LINE)]

    async def run(self) -> None:
        """Keep every line until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for streams in self._groups:
                    tasks.create_task(self._keep(streams))
        finally:
            await asyncio.gather(*(self._close(line) for line in tuple(self._lines)))

    @property
    def connected(self) -> int:
        """How many lines are open."""
        return len(self._lines)

    async def _keep(self, streams: list[str]) -> None:
        failures, old = 0, None
        while True:
            line = await self._open(streams)
            if old:
                await self._hand_over(old, line)
            opened_s = time.monotonic()
            reason = await line.ended(self._life_s)
            TICKS_RECONNECTS.labels(reason).inc()
            log.info("connection to the exchange is replaced", reason=reason, streams=len(streams))
            if reason in PLANNED:
                old = line
                continue
            old, failures = None, 0 if time.monotonic() - opened_s > HEALTHY_S else failures + 1
            self._close_soon(line)
            if failures > 1:
                self._urls.rotate(-1)
                await asyncio.sleep(backoff_s(failures))

    async def _open(self, streams: list[str]) -> MarketConnection:
        for failures in itertools.count():
            url = self._urls[0]
            line = MarketConnection(self._client, url, streams, self._receive)
            try:
                await line.open()
            except UNREACHABLE as error:
                log.warning(advice(url, error))
                self._urls.rotate(-1)
                await asyncio.sleep(backoff_s(failures))
            else:
                self._lines.add(line)
                return line
        raise AssertionError("count() has no end")

    async def _hand_over(self, old: MarketConnection, line: MarketConnection) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(line.spoke.wait(), OVERLAP_S)
        self._close_soon(old, DRAIN_S)

    def _close_soon(self, line: MarketConnection, after_s: float = 0.0) -> None:
        task = asyncio.create_task(self._close(line, after_s))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _close(self, line: MarketConnection, after_s: float = 0.0) -> None:
        await asyncio.sleep(after_s)
        self._lines.discard(line)
        await line.close()
