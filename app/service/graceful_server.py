"""HTTP server with graceful shutdown: no request fails on a closed connection.

A client that keeps its connection would send the next request into one that is just being closed. So a server that
shuts down still answers for a second, and every answer closes its connection; the client then asks another replica.
"""

import asyncio
import socket
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.service.uvicorn_fixes import EmbeddedServer

DRAIN_S = 1.0  # a client that asks less often than this may still meet a closed connection, and must retry
CLOSE = (b"connection", b"close")


class GracefulServer(EmbeddedServer):
    """Serves until cancelled; then answers for a second longer, finishes open requests and closes every WebSocket."""

    def __init__(self, app: ASGIApp, *, closing_s: float, **config: Any) -> None:
        self._app, self._draining, self._closing_s = app, False, closing_s
        config |= {"interface": "asgi3", "access_log": False, "timeout_graceful_shutdown": closing_s}
        super().__init__(uvicorn.Config(self._handle, **config))

    async def serve_until_cancelled(self, listener: socket.socket | None = None) -> None:
        """Serve on a socket that listens, or on the configured address."""
        task = asyncio.create_task(self.serve(sockets=[listener] if listener else None), name="http server")
        try:
            await asyncio.shield(task)
        finally:
            try:
                await self._drain()
            finally:  # cancelled twice, it stops at once
                self.should_exit = True
                await asyncio.wait([task], timeout=self._closing_s + 2)

    async def _drain(self) -> None:
        self._draining, loop = True, asyncio.get_running_loop()
        deadline = loop.time() + DRAIN_S
        while self.has_connections() and loop.time() < deadline:
            await asyncio.sleep(0.05)

    async def _handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not self._draining:
            await self._app(scope, receive, send)
            return

        async def closing(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), CLOSE]}
            await send(message)

        await self._app(scope, receive, closing)
