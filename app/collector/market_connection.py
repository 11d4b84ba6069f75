"""One WebSocket connection to the exchange: raw frames with their receipt."""

import asyncio
import time
from collections.abc import Callable
from itertools import count

from app.clock import steady_ms
from app.collector.python_binance_fixes import StreamSocket
from app.collector.receipt import Receipt

OnFrame = Callable[[str | bytes, float, Receipt], bool]  # frame, steady ms → true: the exchange closes this connection
OPEN_TIMEOUT_S = 10.0
SHORTEST_IDLE_S, LONGEST_IDLE_S = 5.0, 60.0
_numbers = count(1)
GAPS = 50  # a connection without a frame for so many usual gaps counts as lost


class IdleTimeout:
    """How long a connection may be without a frame: 50 usual gaps between frames, at least 5 s, at most 60 s.

    >>> idle = IdleTimeout(now_s=0.0)
    >>> for at_s in (1.0, 2.0, 3.0):
    ...     idle.update(at_s)
    >>> idle.limit_s, idle.left_s(now_s=13.0)
    (50.0, 40.0)
    """

    def __init__(self, now_s: float) -> None:
        self.last_s = now_s
        self.frames = 0
        self._gap_s = 0.0  # exponential mean over about a hundred frames

    def update(self, now_s: float) -> None:
        """Learn the gap before a frame that was received now."""
        gap_s, self.last_s = now_s - self.last_s, now_s
        self.frames += 1
        self._gap_s += (gap_s - self._gap_s) / min(self.frames, 100)

    @property
    def limit_s(self) -> float:
        """The longest time without a frame."""
        return min(max(GAPS * self._gap_s, SHORTEST_IDLE_S), LONGEST_IDLE_S)

    def left_s(self, now_s: float) -> float:
        """Return the time left until the timeout, 0 when it has passed."""
        return max(self.last_s + self.limit_s - now_s, 0.0)


class MarketConnection:
    """One connection for some streams: `open`, wait for the `end_reason`, `close`."""

    def __init__(self, url: str, streams: list[str], on_frame: OnFrame) -> None:
        self.first_frame = asyncio.Event()
        self._socket = StreamSocket(url, streams, self._receive)
        self._on_frame, self._number = on_frame, next(_numbers)
        self._shutdown_notice = asyncio.Event()
        self._idle = IdleTimeout(time.monotonic())

    async def open(self) -> None:
        """Connect; raises errors of websockets and of the network, TimeoutError after 10 s."""
        await asyncio.wait_for(self._socket.connect(), OPEN_TIMEOUT_S)
        self._idle = IdleTimeout(time.monotonic())

    async def close(self) -> None:
        """End the reader and the connection; takes up to a second."""
        await self._socket.close()

    async def end_reason(self, max_age_s: float) -> str:
        """Wait until the connection must be replaced and return why: "age", "shutdown notice", "silence" or an error.

        "silence" is the idle timeout, an error is the name of its type.
        """
        waits = [
            asyncio.create_task(wait)
            for wait in (
                self._socket.error(), self._idle_timeout(), self._notice(), asyncio.sleep(max_age_s, "age")
            )
        ]  # fmt: skip
        try:
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            return str(done.pop().result())
        finally:
            for wait in waits:
                wait.cancel()

    def _receive(self, raw: str | bytes) -> None:
        self._idle.update(time.monotonic())
        self.first_frame.set()
        if self._on_frame(raw, steady_ms(), Receipt(time.time_ns(), self._number)):
            self._shutdown_notice.set()

    async def _idle_timeout(self) -> str:
        while left_s := self._idle.left_s(time.monotonic()):
            await asyncio.sleep(left_s)
        return "silence"

    async def _notice(self) -> str:
        await self._shutdown_notice.wait()
        return "shutdown notice"
