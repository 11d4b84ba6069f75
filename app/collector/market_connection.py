"""One WebSocket connection to the exchange: raw frames with their receipt."""

import asyncio
import time
from collections.abc import Callable
from itertools import count

import msgspec

from app.clock import steady_ms
from app.collector.python_binance_fixes import StreamSocket
from app.collector.receipt import Receipt
from app.collector.stream_watch import StreamWatch
from app.collector.token_bucket import TokenBucket
from app.logs import logger
from app.metrics import TICKS_STUCK

OnFrame = Callable[[str | bytes, float, Receipt], bool]  # frame, steady ms → true: the exchange closes this connection
OPEN_TIMEOUT_S = 4.0
LOOK_EVERY_S = 1.0  # at the single streams
MESSAGES_BURST, MESSAGES_PER_S = 3.0, 3.0  # Binance allows 5 a second, pongs included
STUCK = "stuck stream"
_numbers = count(1)
log = logger("collector")


class MarketConnection:
    """One connection for some streams: `open`, wait for the `end_reason`, `close`.

    `watch` outlives it: the usual gaps of its streams.
    """

    def __init__(
        self,
        url: str,
        streams: list[str],
        on_frame: OnFrame,
        watch: StreamWatch | None = None,
        on_first_frame: Callable[[], None] = lambda: None,
    ) -> None:
        self.first_frame, self._on_first_frame = asyncio.Event(), on_first_frame
        self._socket = StreamSocket(url, streams, self._receive)
        self._on_frame, self._number = on_frame, next(_numbers)
        self._shutdown_notice = asyncio.Event()
        self._watch = watch or StreamWatch(streams)
        self._last_s = time.monotonic()
        self._messages = TokenBucket(MESSAGES_BURST, MESSAGES_PER_S, time.monotonic())

    async def open(self) -> None:
        """Connect; raises errors of websockets and of the network, TimeoutError after 4 s."""
        await asyncio.wait_for(self._socket.connect(), OPEN_TIMEOUT_S)
        self._last_s = time.monotonic()
        self._watch.up(self._last_s)

    async def close(self) -> None:
        """End the reader and the connection; takes up to a second."""
        await self._socket.close()

    async def end_reason(self, max_age_s: float) -> str:
        """Wait until the connection must be replaced and return why.

        "age", "shutdown notice", "silence" (no frame for too long), "stuck stream" (of one stream, and subscribing to
        it again did not help) or the name of an error's type.
        """
        waits = [
            asyncio.create_task(wait)
            for wait in (
                self._socket.error(), self._idle_timeout(), self._notice(), self._stuck_streams(),
                asyncio.sleep(max_age_s, "age"),
            )
        ]  # fmt: skip
        try:
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            return str(done.pop().result())
        finally:
            for wait in waits:
                wait.cancel()

    async def lost_reason(self) -> str:
        """Wait until the connection is lost and return the name of the error's type."""
        return await self._socket.error()

    def _receive(self, raw: str | bytes) -> None:
        now_s, at_ms = time.monotonic(), steady_ms()
        self._note_frame(now_s)
        self._watch.update(raw, now_s, at_ms)
        if self._on_frame(raw, at_ms, Receipt(time.time_ns(), self._number)):
            self._shutdown_notice.set()

    def _note_frame(self, now_s: float) -> None:
        if self.first_frame.is_set():
            self._watch.gap.update(now_s - self._last_s)
        else:
            self.first_frame.set()
            self._on_first_frame()
        self._watch.silences, self._last_s = 0, now_s

    async def _idle_timeout(self) -> str:
        while (left_s := self._last_s + self._watch.idle_limit_s() - time.monotonic()) > 0:
            await asyncio.sleep(left_s)
        self._watch.silent()
        return "silence"

    async def _notice(self) -> str:
        await self._shutdown_notice.wait()
        return "shutdown notice"

    async def _stuck_streams(self) -> str:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            stuck = self._watch.stuck(time.monotonic())
            for stream, times in stuck.items():
                TICKS_STUCK.labels(stream).inc()
                log.warning("a stream is silent far beyond its usual gap", stream=stream, times=times)
            if any(times > 1 for times in stuck.values()):
                return STUCK
            if stuck:
                await self._subscribe_again(list(stuck))

    async def _subscribe_again(self, streams: list[str]) -> None:
        for number, method in enumerate(("UNSUBSCRIBE", "SUBSCRIBE")):
            while not self._messages.take(time.monotonic()):
                await asyncio.sleep(self._messages.wait_s(time.monotonic()))
            message = {"method": method, "params": streams, "id": number}
            await self._socket.send(msgspec.json.encode(message).decode())
