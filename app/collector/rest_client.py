"""The exchange over REST. What enters: a symbol and ids; what leaves: its trades, and the exchange's clock.

Careful with Binance's budget: at most four requests at once, 429 and 418 are obeyed for as long as `Retry-After`
says, and nobody asks before that.
"""

import asyncio
import time
from collections import deque
from typing import Any

from aiohttp import ClientError, ClientTimeout
from binance import AsyncClient
from binance.exceptions import BinanceAPIException, BinanceRequestException

from app.clock import Clock, wall_ms
from app.collector.binance import MalformedError, server_time_ms, trades_of_rows
from app.collector.market_streams import endpoints
from app.domain.ticks import Trade
from app.logs import logger

ROWS = 1000  # Binance's limit per request
AT_ONCE = 4
MOST_WEIGHT, SPARE_S = 4800, 10.0  # of Binance's 6,000 a minute: beyond it, wait so long
SAMPLES = 5  # of the exchange's clock; the one with the shortest round trip counts
TIMEOUT_S = 10.0
REST_ERRORS = (OSError, ClientError, TimeoutError, BinanceAPIException, BinanceRequestException, MalformedError)
log = logger("collector")


def client_of(url: str) -> AsyncClient:
    """Return python-binance's client for a REST base such as https://data-api.binance.vision; close it after use.

    python-binance's own `create()` would call the exchange at once, and fail when it is away.
    """
    at_url = type("Client", (AsyncClient,), {"API_URL": f"{url.rstrip('/')}/api"})
    client: AsyncClient = at_url(session_params={"timeout": ClientTimeout(TIMEOUT_S)})
    return client


class RestClient:
    """What the collector asks over REST; one that does not answer gives way to the next endpoint."""

    def __init__(self, urls: str) -> None:
        self._clients = deque(client_of(url) for url in endpoints(urls))
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._refused_until_s = 0.0  # monotonic

    @property
    def client(self) -> AsyncClient:
        """python-binance's client of the endpoint in use."""
        return self._clients[0]

    async def close(self) -> None:
        """Close every connection."""
        for client in self._clients:
            await client.close_connection()

    async def trades(self, symbol: str, from_id: int) -> list[Trade]:
        """Return up to 1,000 trades from this id on, rising; empty if there is none yet.

        Raises:
            One of `REST_ERRORS`: the exchange did not answer, refused, or sent what is no trade.

        """
        rows = await self._ask("get_aggregate_trades", symbol=symbol, fromId=from_id, limit=ROWS)
        return trades_of_rows(symbol, rows)

    async def clock(self, rate: float) -> Clock:
        """Return the exchange's clock, from the shortest of five round trips; raises one of `REST_ERRORS`."""
        best: tuple[float, Clock] | None = None
        for _ in range(SAMPLES):
            asked_ms = wall_ms()
            answer = await self._ask("get_server_time")
            trip_ms = wall_ms() - asked_ms
            if best is None or trip_ms < best[0]:
                # A millisecond that is shown has begun half a millisecond ago, on average.
                best = trip_ms, Clock(server_time_ms(answer) + 0.5, asked_ms + trip_ms / 2, rate)
        assert best is not None
        return best[1]

    async def _ask(self, call: str, **arguments: Any) -> Any:
        async with self._slots:
            await asyncio.sleep(max(self._refused_until_s - time.monotonic(), 0.0))
            client = self._clients[0]
            try:
                answer = await getattr(client, call)(**arguments)
                self._spare(client)
                return answer
            except REST_ERRORS as error:
                if client is self._clients[0]:
                    self._clients.rotate(-1)
                self._obey(error)
                raise

    def _spare(self, client: AsyncClient) -> None:
        used = client.response.headers.get("X-MBX-USED-WEIGHT-1M", "0")
        if used.isdigit() and int(used) > MOST_WEIGHT:
            self._refused_until_s = max(self._refused_until_s, time.monotonic() + SPARE_S)

    def _obey(self, error: Exception) -> None:
        if not isinstance(error, BinanceAPIException) or error.status_code not in {418, 429}:
            return
        after = error.response.headers.get("Retry-After", "")
        wait_s = float(after) if after.isdigit() else 10.0
        self._refused_until_s = max(self._refused_until_s, time.monotonic() + wait_s)
        log.warning("the exchange refuses REST requests for a while", status=error.status_code, wait_s=wait_s)
