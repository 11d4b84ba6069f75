"""WebSocket client of the API inside `btc up`: measures latencies and gives the status line."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from app.clock import wall_ms
from app.logs import logger
from app.settings import Settings

RECONNECT_S = 0.5
log = logger("stream_client")


class StreamClient:
    """Counts what arrives on the stream: seconds, latencies from the close, flags."""

    def __init__(self, settings: Settings) -> None:
        self._url = f"ws://127.0.0.1:{settings.api_port}/v1/stream"
        self._headers = {"X-API-Key": settings.api_keys[0]} if settings.api_keys else {}
        self._first = 0
        self.newest = 0
        self.latencies_ms: list[float] = []
        self.flags: Counter[str] = Counter()
        self._status = "waiting for the first prediction"

    @property
    def seconds(self) -> int:
        """Exchange seconds between the first and the newest prediction seen."""
        return self.newest - self._first + 1 if self._first else 0

    def status(self, elapsed_s: float) -> str:
        """Return the status line: minutes and seconds since the start, the newest prediction."""
        minutes, seconds = divmod(int(elapsed_s), 60)
        return f"{minutes:02d}:{seconds:02d}  {self._status}"

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Follow the stream while the body runs, through any restart of the API."""
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            task.cancel()

    async def _run(self) -> None:
        while True:
            try:
                async with connect(self._url, additional_headers=self._headers, max_size=None, proxy=None) as socket:
                    async for text in socket:
                        at_ms = wall_ms()  # before it is parsed: what counts is when a client has it
                        self.update(json.loads(text), at_ms)
            except (OSError, WebSocketException):
                await asyncio.sleep(RECONNECT_S)
            except (KeyError, ValueError, TypeError) as error:
                log.warning("a message of the stream is not as expected", reason=repr(error))

    def update(self, message: dict[str, Any], at_ms: float) -> None:
        """Count one message of the stream that arrived at `at_ms`, wall time."""
        if message.get("type") != "update":
            return
        second = int(message["second"])
        self._first = self._first or second
        if second > self.newest:
            self.newest = second
            self.latencies_ms.append(at_ms - float(message["closed_ms"]))
        for one in message["predictions"]:
            self.flags.update(one.get("flags", []))
            self._status = _status(one, self.seconds, self.latencies_ms[-1])


def _status(one: dict[str, Any], seconds: int, latency_ms: float) -> str:
    # BTCUSDT 67,012.35  served by cold-start  no flags  120 s predicted, close → WebSocket 18 ms
    flags = " ".join(one.get("flags", [])) or "no flags"
    return (
        f"{one['symbol']} {one['mid'] or 0:,.2f}  served by {one['model']}  {flags}  "
        f"{seconds} s predicted, close → WebSocket {latency_ms:.0f} ms"
    )
