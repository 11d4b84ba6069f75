"""One WebSocket client: a bounded queue of updates, each encoded once for all clients.

When the queue is full, the oldest update is dropped. A client whose connection accepts nothing for half a minute has
stalled.
"""

import asyncio
import time
from collections import deque
from contextlib import suppress
from functools import cached_property
from typing import Protocol

from starlette.websockets import WebSocket
from websockets.frames import Frame, Opcode

STALLED_S = 30.0
TRY_AGAIN_LATER = 1013
DIRECT = "btc.connection"  # ASGI extension: the `WebSocketTransport` of `api/server.py`


class Update:
    """One message, encoded once for all clients."""

    def __init__(self, body: bytes) -> None:
        self.body = body

    @cached_property
    def text(self) -> str:
        """The message as ASGI wants it."""
        return self.body.decode()

    @cached_property
    def frame(self) -> bytes:
        """The message as it is on the wire: a server's frames are not masked, so all clients get the same bytes."""
        return Frame(Opcode.TEXT, self.body).serialize(mask=False)


class WebSocketTransport(Protocol):
    """How a client is reached."""

    def send_now(self, update: Update) -> bool:
        """Send without waiting; False when the connection does not accept it now."""

    async def send(self, update: Update) -> None:
        """Send as soon as the connection accepts it."""

    async def close_slow(self, reason: str) -> None:
        """Close a connection that accepts nothing."""


class StarletteTransport:
    """A connection of any ASGI server."""

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket

    def send_now(self, _update: Update) -> bool:
        """Return False: ASGI has to be awaited."""
        return False

    async def send(self, update: Update) -> None:
        """Send as text."""
        await self._websocket.send_text(update.text)

    async def close_slow(self, reason: str) -> None:
        """Close, if the server manages within a second."""
        with suppress(TimeoutError, RuntimeError):
            await asyncio.wait_for(self._websocket.close(TRY_AGAIN_LATER, reason), timeout=1.0)


class WebSocketClient:
    """One connection: its queue, and how many updates it lost."""

    def __init__(self, connection: WebSocketTransport, size: int) -> None:
        self.dropped = 0
        self.stalled = asyncio.Event()
        self._connection, self._size = connection, size
        self._queue: deque[Update] = deque()
        self._filled = asyncio.Event()
        self._sending_since: float | None = None

    def send(self, update: Update) -> int:
        """Send an update or queue it; return 1 if that pushed the oldest one out, else 0."""
        if self._sending_since is None and not self._queue and self._connection.send_now(update):
            return 0
        full = len(self._queue) >= self._size
        if full:
            self._queue.popleft()
            self.dropped += 1
            if self._sending_since is not None and time.monotonic() - self._sending_since > STALLED_S:
                self.stalled.set()
        self._queue.append(update)
        self._filled.set()
        return int(full)

    async def run(self) -> None:
        """Send what is queued, until cancelled."""
        while True:
            await self._filled.wait()
            while self._queue:
                self._sending_since = time.monotonic()
                await self._connection.send(self._queue.popleft())
            self._sending_since = None
            self._filled.clear()
