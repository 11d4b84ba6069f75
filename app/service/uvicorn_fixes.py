"""What we need from uvicorn beyond its public interface; `tests/service/test_uvicorn_fixes.py` fails when it changes.

* `EmbeddedServer` overrides `Server.capture_signals` and reads `Server.server_state.connections`. Without it a server
  inside a process replaces that process's signal handlers, so SIGTERM no longer cancels the work; and a server that
  stops cannot know whether a client is still connected. uvicorn has no setting for either (Kludex/uvicorn#526).
* `DirectProtocol` subclasses the WebSocket protocol of `websockets_sansio_impl`. ASGI encodes each message anew for
  each client, awaits every write, hides how much is unsent, and its close waits for a client that reads nothing.
  Without it one message costs one encoding per client (python-websockets/websockets#931 asked for the same), and a
  stalled client cannot be closed.
* `gated` overrides `data_received` of the HTTP protocol. ASGI sees a request only when it is parsed and must answer it;
  without it the emulator could neither keep silent nor cut a connection off. Used there alone.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.protocol import State

SWITCHING_PROTOCOLS = 101


class EmbeddedServer(uvicorn.Server):
    """A server inside another process's loop: it leaves the signals alone."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture no signal."""
        yield

    def has_connections(self) -> bool:
        """Return whether a client is connected."""
        return bool(self.server_state.connections)


class DirectProtocol(WebSocketsSansIOProtocol):
    """A WebSocket connection that its application reaches directly, not only through ASGI."""

    def handle_connect(self, event: Any) -> None:
        """Accept the handshake, as uvicorn does, and call `on_connect` if it succeeds."""
        super().handle_connect(event)
        if self.response.status_code == SWITCHING_PROTOCOLS:
            self.on_connect(self.scope)  # type: ignore[arg-type]  # a TypedDict

    def on_connect(self, scope: dict[str, Any]) -> None:
        """Add to the scope that the application will get."""

    def is_open(self) -> bool:
        """Return whether messages can be sent: the connection is neither closed nor closing."""
        closing = self.close_sent or self.disconnected or self.transport.is_closing()
        return not closing and self.conn.state is State.OPEN

    def accepts_writes(self) -> bool:
        """Return whether the unsent bytes are below the transport's high-water mark."""
        return self.writable.is_set()

    async def wait_writable(self) -> None:
        """Wait until `accepts_writes`; returns too when the connection is lost."""
        await self.writable.wait()

    def unsent_bytes(self) -> int:
        """Return how many bytes wait for the client to read."""
        return self.transport.get_write_buffer_size()

    def write_frames(self, frames: bytes) -> None:
        """Write frames that are encoded already."""
        self.transport.write(frames)

    def write_texts(self, payloads: Iterable[bytes]) -> None:
        """Encode text messages and write them at once."""
        for payload in payloads:
            self.conn.send_text(payload)
        self._flush()

    def write_close(self, code: int, reason: str) -> None:
        """Write a close frame behind what is unsent; uvicorn then refuses further messages."""
        self.conn.send_close(code, reason)
        self._flush()
        self.close_sent = True

    def abort_after(self, timeout_s: float | None = None) -> None:
        """Cut the connection off unless the client answers the close frame in time, by default uvicorn's."""
        timeout_s = self.close_timeout if timeout_s is None else timeout_s
        self.close_timer = self.loop.call_later(timeout_s, self.transport.abort)

    def _flush(self) -> None:
        self.transport.write(b"".join(self.conn.data_to_send()))


def gated(gate: Callable[[bytes], str]) -> type[HttpToolsProtocol]:
    """Return an HTTP protocol that asks `gate` about each request: `pass`, `drop` (no answer ever) or `abort` it.

    The gate gets the bytes that arrived, which begin with the request line: b"GET /api/v3/ping HTTP/1.1".
    """

    class GatedHttpProtocol(HttpToolsProtocol):
        is_dropped = False

        def data_received(self, data: bytes) -> None:
            verdict = "drop" if self.is_dropped else gate(data)
            self.is_dropped = verdict == "drop"
            if verdict == "pass":
                super().data_received(data)
            elif verdict == "abort":
                self.transport.abort()

    return GatedHttpProtocol
