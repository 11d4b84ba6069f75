"""One connection to the exchange. What enters: streams; what leaves: raw frames with the wall time of their receipt.

python-binance opens the socket and reads it. It would put every message on a queue whose overflow ends the reader and
throws everything away; so its reader's `json_loads` hands each frame on at once and returns nothing, and only errors
ever reach that queue. Silence, age and errors end the line: whoever holds it opens the next.
"""

import asyncio
import logging
import time
from collections.abc import Callable

from binance import AsyncClient, BinanceSocketManager
from binance.exceptions import ReadLoopClosed

from app.clock import wall_ms

Receive = Callable[[str | bytes, float], bool]  # frame, wall ms → true: the exchange will close this connection
OPEN_TIMEOUT_S = 10.0
SHORTEST_SILENCE_S, LONGEST_SILENCE_S = 5.0, 60.0
GAPS = 50  # a silence of so many usual gaps between messages is a dead line

# What it would log as an error, the line's holder says in one line.
logging.getLogger("binance").setLevel(logging.CRITICAL)


class Silence:
    """How long a line may say nothing: 50 of its usual gaps, at least 5 s, at most 60 s.

    >>> silence = Silence(now_s=0.0)
    >>> for at_s in (1.0, 2.0, 3.0):
    ...     silence.heard(at_s)
    >>> silence.limit_s, silence.left_s(now_s=13.0)
    (50.0, 40.0)
    """

    def __init__(self, now_s: float) -> None:
        self.last_s = now_s
        self.messages = 0
        self._gap_s = 0.0  # exponential mean over about a hundred messages

    def heard(self, now_s: float) -> None:
        """Note a message."""
        gap_s, self.last_s = now_s - self.last_s, now_s
        self.messages += 1
        self._gap_s += (gap_s - self._gap_s) / min(self.messages, 100)

    @property
    def limit_s(self) -> float:
        """The longest silence that is still believed."""
        return min(max(GAPS * self._gap_s, SHORTEST_SILENCE_S), LONGEST_SILENCE_S)

    def left_s(self, now_s: float) -> float:
        """Return for how much longer silence is believed; nothing below zero."""
        return max(self.last_s + self.limit_s - now_s, 0.0)


class MarketConnection:
    """One connection: `open`, wait until it has `ended`, `close`."""

    def __init__(self, client: AsyncClient, url: str, streams: list[str], receive: Receive) -> None:
        # A manager of its own: python-binance keeps one socket per manager and path, and lines of one path overlap.
        sockets = BinanceSocketManager(client)
        sockets.STREAM_URL = url.rstrip("/") + "/"
        sockets.ws_kwargs = {"proxy": None, "max_queue": 4096, "compression": None}
        self._socket = sockets.multiplex_socket(streams)
        self._socket.TIMEOUT = 1.0  # its reader looks up this often whether it is to end
        self._socket.MAX_RECONNECTS = 0  # a line that broke is replaced by whoever holds it
        self._socket.json_loads = self._frame
        self._receive = receive
        self._notice = asyncio.Event()
        self.spoke = asyncio.Event()  # the first message is there
        self.silence = Silence(time.monotonic())

    async def open(self) -> None:
        """Connect; raises what websockets and the network raise, TimeoutError after 10 s."""
        await asyncio.wait_for(self._socket.connect(), OPEN_TIMEOUT_S)
        self.silence = Silence(time.monotonic())

    async def close(self) -> None:
        """End the reader and the connection; takes up to a second."""
        await self._socket.close()

    async def ended(self, max_age_s: float) -> str:
        """Wait until the line is of no more use and return why: "age", "shutdown notice", "silence", or the error."""
        waits = [
            asyncio.create_task(wait)
            for wait in (self._error(), self._silent(), self._told(), asyncio.sleep(max_age_s, "age"))
        ]
        try:
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            return str(done.pop().result())
        finally:
            for wait in waits:
                wait.cancel()

    def _frame(self, raw: str | bytes) -> None:
        self.silence.heard(time.monotonic())
        self.spoke.set()
        if self._receive(raw, wall_ms()):
            self._notice.set()

    async def _error(self) -> str:
        try:
            error = await self._socket.recv()
        except ReadLoopClosed:
            return "reader ended"
        return str(error.get("type", error))

    async def _silent(self) -> str:
        while left_s := self.silence.left_s(time.monotonic()):
            await asyncio.sleep(left_s)
        return "silence"

    async def _told(self) -> str:
        await self._notice.wait()
        return "shutdown notice"
