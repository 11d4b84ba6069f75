"""Everything the collector relies on inside python-binance, each item with what breaks without it.

`tests/collector/test_python_binance_fixes.py` fails when the library's internals change.
"""

import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import quote

from aiohttp import ClientTimeout
from binance import AsyncClient
from binance.exceptions import BinanceAPIException, BinanceRequestException, ReadLoopClosed
from binance.ws.reconnecting_websocket import ReconnectingWebsocket
from websockets.exceptions import ConnectionClosed

REQUEST_ERRORS = (BinanceAPIException, BinanceRequestException)
REQUEST_TIMEOUT_S = 10.0
TIME_UNIT = "MICROSECOND"


class _Client(AsyncClient):  # type: ignore[misc]
    async def get_symbols_info(self, symbols: tuple[str, ...]) -> Any:
        """Return the answer of `exchangeInfo` for these symbols.

        `get_exchange_info` takes no symbols and returns thousands; `_get` is what it calls. No upstream issue found.
        """
        names = quote('["' + '","'.join(symbols) + '"]')
        return await self._get("exchangeInfo", data={"symbols": names})


def rest_client(url: str) -> AsyncClient:
    """Return a client for a REST base such as https://data-api.binance.vision; close it after use.

    - A subclass replaces `API_URL`: the constructor knows only Binance's own hosts. Without it neither the emulator
      nor the market-data host can be used. Upstream: sammchardy/python-binance#1282 (open).
    - The constructor stands in for `create()`, which sends two requests first. Without it the collector cannot start
      while the exchange is down. No upstream issue found.
    - `time_unit` (sammchardy/python-binance#1519, merged) asks for times in µs. Without it they are in ms.
    """
    at_url = type("Client", (_Client,), {"API_URL": f"{url.rstrip('/')}/api"})
    client: AsyncClient = at_url(time_unit=TIME_UNIT, session_params={"timeout": ClientTimeout(REQUEST_TIMEOUT_S)})
    return client


def used_weight(client: AsyncClient) -> int:
    """Return the request weight of the current minute, as the newest answer says; 0 if it does not.

    `response` is the client's newest answer. Without it the budget of 6,000 a minute is not visible. Upstream:
    sammchardy/python-binance#824 (closed: this is the documented way).
    """
    used = client.response.headers.get("X-MBX-USED-WEIGHT-1M", "0")
    return int(used) if used.isdigit() else 0


def block_s(error: Exception, default_s: float) -> float:
    """Return how long the exchange blocks requests after this error: `Retry-After` of a 418 or 429, otherwise 0.

    `status_code` and `response` of the exception are not documented. Without them a 429 becomes a ban (418). No
    upstream issue found.
    """
    if not isinstance(error, BinanceAPIException) or error.status_code not in {418, 429}:
        return 0.0
    after = error.response.headers.get("Retry-After", "")
    return float(after) if after.isdigit() else default_s


def is_unknown_symbol(error: Exception) -> bool:
    """Whether the exchange refused a request since it does not know a symbol: {"code":-1121,…}."""
    return isinstance(error, BinanceAPIException) and error.code == -1121


class StreamSocket(ReconnectingWebsocket):  # type: ignore[misc]
    """One WebSocket of a combined stream that gives each raw frame to `on_frame` and never reconnects by itself.

    - `json_loads` is the callback for frames: it returns nothing, so only errors enter the library's queue. Without it
      every message goes through a queue of 100; its overflow ends the reader and loses what it holds. Upstream:
      sammchardy/python-binance#1295 and #1016 (open).
    - `TIMEOUT`: the reader notices `close()` only after its pending read. Without it closing takes up to 10 s.
      Upstream: sammchardy/python-binance#1584 (open).
    - `MAX_RECONNECTS`: without it the library reconnects five times to the same endpoint, unseen by `MarketStreams`,
      which changes the endpoint and waits with jitter. No upstream issue found.
    - The constructor is called instead of `BinanceSocketManager`, which keeps one socket per path. Without it a
      connection and its successor cannot overlap. No upstream issue found.
    - `before_reconnect` hands over what was received before the socket closed. Without it the reader sees the closed
      state first and drops up to `max_queue` frames: trades must be fetched, quotes are lost. No upstream issue found.
    - The keyword arguments reach `websockets.connect` (sammchardy/python-binance#1398, merged). Without them
      `websockets` takes a proxy from the environment and compresses every frame.
    """

    TIMEOUT = 1.0
    MAX_RECONNECTS = 0

    def __init__(self, url: str, streams: list[str], on_frame: Callable[[str | bytes], None]) -> None:
        super().__init__(
            url=url.rstrip("/") + "/", path=f"streams={'/'.join(streams)}&timeUnit={TIME_UNIT}", prefix="stream?",
            proxy=None, max_queue=4096, compression=None,
        )  # fmt: skip
        self._on_frame = on_frame
        # MarketStreams logs the same errors with the endpoint and the advice.
        logging.getLogger("binance").setLevel(logging.CRITICAL)

    def json_loads(self, msg: str | bytes) -> None:
        """Give a raw frame to `on_frame`; the library's reader gets nothing to queue."""
        self._on_frame(msg)

    async def before_reconnect(self) -> None:
        """Give the frames that were received and not yet read to `on_frame`; the library drops them."""
        try:
            while self.ws is not None:
                self.json_loads(await self.ws.recv())
        except ConnectionClosed:
            pass
        await super().before_reconnect()

    async def send(self, text: str) -> None:
        """Send a message; a connection that is lost meanwhile is reported by `error`."""
        with suppress(ConnectionClosed):
            if self.ws is not None:
                await self.ws.send(text)

    async def error(self) -> str:
        """Wait until the reader fails and return the name of its error.

        `recv()` returns what the reader queued, here only `{"e": "error", "type": …, "m": …}`.
        """
        try:
            error = await self.recv()
        except ReadLoopClosed:
            return "reader ended"
        return str(error.get("type", error))
