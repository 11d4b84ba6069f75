"""The API's process. What enters: settings; what leaves: a server on `host:api_port`, until SIGTERM."""

import socket
import sys
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from app.api.application import create_app
from app.api.client import DIRECT, TRY_AGAIN_LATER, Update
from app.service import lifecycle, ports
from app.service.graceful_server import GracefulServer
from app.service.heartbeat import ProcessStatus
from app.service.lifecycle import StartupError
from app.settings import Settings

BACKLOG = 2048
GRACE_S = 5


class DirectWebSocketProtocol(WebSocketsSansIOProtocol):
    """A WebSocket that takes ready-made frames, and can be closed although its client takes nothing.

    ASGI encodes every message anew for every client, and its close waits for what is unsent.
    """

    def handle_connect(self, event: Any) -> None:
        """Offer itself to the application."""
        super().handle_connect(event)
        if hasattr(self, "scope"):
            extensions: dict[str, Any] = self.scope["extensions"]  # type: ignore[assignment]
            extensions[DIRECT] = self

    def now(self, update: Update) -> bool:
        """Write an update at once; False when the connection is full. One that is closing takes it and forgets it."""
        if not self.writable.is_set():
            return False
        if not (self.close_sent or self.disconnected or self.transport.is_closing()):
            self.transport.write(update.frame)
        return True

    async def send(self, update: Any) -> None:  # type: ignore[override]
        """Send what ASGI sends, or an update as soon as the connection takes it."""
        if not isinstance(update, Update):
            await super().send(update)
            return
        while not self.now(update):
            await self.writable.wait()

    async def give_up(self, reason: str) -> None:
        """Put the close frame behind what is still unsent; a client that does not take it in time is cut off."""
        if self.close_sent or self.transport.is_closing():
            return
        self.conn.send_close(TRY_AGAIN_LATER, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.close_timer = self.loop.call_later(self.close_timeout, self.transport.abort)


def listening(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Raises:
        StartupError: the port is taken, and by whom; or the address is not ours.

    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        if ports.answers(port) or not ports.is_free(port):
            held = f"port {port} is held by {ports.holder(port) or 'another process'}"
            raise StartupError(f"{held}: stop it, or set BTC_API_PORT") from error
        raise StartupError(f"cannot listen on {host}:{port}: {error.strerror}; set BTC_HOST or BTC_API_PORT") from error
    return listener


def server_for(app: Any) -> GracefulServer:
    """Return uvicorn as the API wants it; the loop and its signals belong to the caller."""
    return GracefulServer(
        app, closing_s=GRACE_S, http="httptools", ws=DirectWebSocketProtocol,
        ws_per_message_deflate=False, ws_max_size=4096, log_level="warning", server_header=False, lifespan="on",
    )  # fmt: skip


async def serve(
    settings: Settings, process_status: ProcessStatus, *, started: Callable[[int], None] = lambda _port: None
) -> None:
    """Serve until cancelled; then finish what was asked and close every WebSocket.

    Raises:
        StartupError: the port is taken.

    """
    listener = listening(settings.host, settings.api_port)
    app = create_app(settings)
    board, experience = app.state.board, app.state.experience

    def refresh() -> None:
        known = {name: value for name, value in experience.get().items() if value is not None}
        process_status.progress = {"board_ready": float(board.ready), "board_mb": board.state.size_bytes / 1e6, **known}
        process_status.note = board.trouble

    process_status.refresh = refresh
    started(listener.getsockname()[1])
    await server_for(app).serve_until_cancelled(listener)


def run(settings: Settings) -> int:
    """Run the API's process; return its exit code. A port that is taken is told before Kafka is waited for."""
    try:
        listening(settings.host, settings.api_port).close()
    except StartupError as error:
        print(f"btc api: {error}", file=sys.stderr)
        return 1
    return lifecycle.run("api", settings, serve)
