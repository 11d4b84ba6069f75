"""A WebSocket connection of uvicorn that writes many messages at once and ends clients that do not keep up.

ASGI sends one message per await and hides the socket. The send loop writes everything that is due without waiting; a
client whose unread bytes exceed the bound is disconnected, as on Binance, so that it does not delay the others.
"""

from __future__ import annotations

from collections.abc import Iterable

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets import http11
from websockets.http11 import Request
from websockets.protocol import State

http11.MAX_LINE_LENGTH = 64 * 1024  # one URL may name 1,024 streams
MAX_UNREAD_BYTES = 4 * 1024 * 1024
SWITCHING_PROTOCOLS = 101


class ExchangeWebSocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket protocol, reachable from the endpoint as `websocket.state.connection`."""

    def handle_connect(self, event: Request) -> None:
        """Put this connection into the scope of its endpoint."""
        super().handle_connect(event)
        if self.response.status_code == SWITCHING_PROTOCOLS:
            self.scope["state"]["connection"] = self

    def write_messages(self, payloads: Iterable[bytes], unread_bytes: int = MAX_UNREAD_BYTES) -> bool:
        """Write text messages at once; False if the client did not keep up and its connection was ended."""
        if self.transport.is_closing() or self.conn.state is not State.OPEN:
            return True
        if self.transport.get_write_buffer_size() > unread_bytes:
            self.transport.abort()
            return False
        for payload in payloads:
            self.conn.send_text(payload)
        self.transport.write(b"".join(self.conn.data_to_send()))
        return True

    def close(self, code: int, reason: str) -> None:
        """Close with a closing handshake that carries code and reason."""
        if not self.transport.is_closing() and self.conn.state is State.OPEN:
            self.conn.send_close(code, reason)
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.transport.close()

    def abort(self) -> None:
        """End the connection without a closing handshake."""
        self.transport.abort()
