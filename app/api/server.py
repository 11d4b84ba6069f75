"""The API's process: a server on `host:api_port`, until SIGTERM."""

import socket
from collections.abc import Callable
from typing import Any

import msgspec

from app import logs
from app.api.application import create_app
from app.api.client import DIRECT, TRY_AGAIN_LATER, Update
from app.service import lifecycle, ports
from app.service.graceful_server import GracefulServer
from app.service.heartbeat import ProcessStatus
from app.service.uvicorn_fixes import DirectProtocol
from app.settings import Settings

GRACE_S = 5


class UpdateProtocol(DirectProtocol):
    """A WebSocket that sends updates as ready-made frames, and can be closed although its client reads nothing."""

    def on_connect(self, scope: dict[str, Any]) -> None:
        """Offer this connection to the application."""
        scope["extensions"][DIRECT] = self

    def send_now(self, update: Update) -> bool:
        """Write an update at once; False when the connection is full. One that is closing drops the update."""
        if not self.accepts_writes():
            return False
        if self.is_open():
            self.write_frames(update.frame)
        return True

    async def send(self, update: Any) -> None:  # type: ignore[override]
        """Send what ASGI sends, or an update as soon as the connection accepts it."""
        if not isinstance(update, Update):
            await super().send(update)
            return
        while not self.send_now(update):
            await self.wait_writable()

    async def close_slow(self, reason: str) -> None:
        """Write the close frame behind what is unsent; a client that does not read it in time is cut off."""
        if self.is_open():
            self.write_close(TRY_AGAIN_LATER, reason)
            self.abort_after()


def listening(host: str, port: int) -> socket.socket:
    """Return a socket on which the API listens; raises PortError."""
    return ports.listening(host, port, "API", "BTC_API_PORT")


def server_for(app: Any) -> GracefulServer:
    """Return uvicorn with the API's options; the loop and its signals belong to the caller."""
    return GracefulServer(
        app, closing_s=GRACE_S, http="httptools", ws=UpdateProtocol,
        ws_per_message_deflate=False, ws_max_size=4096, log_level="warning", server_header=False, lifespan="on",
    )  # fmt: skip


async def serve(
    settings: Settings, process_status: ProcessStatus, *, started: Callable[[int], None] = lambda _port: None
) -> None:
    """Serve until cancelled; then finish the requests under way and close every WebSocket.

    Raises:
        PortError: the port is taken.

    """
    listener = listening(settings.host, settings.api_port)
    app = create_app(settings, process_status=process_status)
    board, request_metrics = app.state.board, app.state.request_metrics

    def refresh() -> None:
        measured = msgspec.structs.asdict(request_metrics.get())
        known = {name: value for name, value in measured.items() if value is not None}
        process_status.progress = {"board_ready": float(board.is_ready), "board_mb": board.size_bytes / 1e6, **known}
        process_status.note = board.not_following_reason

    process_status.refresh = refresh
    started(listener.getsockname()[1])
    await server_for(app).serve_until_cancelled(listener)


def run(settings: Settings) -> int:
    """Run the API's process; return its exit code. It serves before Kafka answers: its health is on this port."""
    try:
        listening(settings.host, settings.api_port).close()
    except ports.PortError as error:
        logs.set_up(settings, "api")
        logs.report_end(settings, "api", str(error))
        return 1
    return lifecycle.run("api", settings, serve, needs_topics=False)
