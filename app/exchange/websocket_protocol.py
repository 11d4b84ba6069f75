"""One WebSocket connection at its socket; enters: many payloads at once; leaves: one write, or a slow client cut off.

ASGI sends one message per await and hides the socket. The feed needs neither wait: it hands over all that is due, and
a client whose unread bytes exceed the bound is dropped, as Binance does, so that it cannot hold up the others.
"""

from __future__ import annotations

from collections.abc import Iterable

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets import http11
from websockets.http11 import Request
from websockets.protocol import State

http11.MAX_LINE_LENGTH = 64 * 1024  # 1,024 streams can stand in one URL
UNREAD_BYTES = 4 * 1024 * 1024
SWITCHING_PROTOCOLS = 101


class ExchangeWebSocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket protocol, reachable from the endpoint as `websocket.state.wire`."""

    def handle_connect(self, event: Request) -> None:
        """Put this connection into the scope that its endpoint sees."""
        super().handle_connect(event)
        if self.response.status_code == SWITCHING_PROTOCOLS:
            self.scope["state"]["wire"] = self

    def push(self, payloads: Iterable[bytes], unread_bytes: int = UNREAD_BYTES) -> bool:
        """Write text messages in one go; False if the client was cut off because it does not keep up."""
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
        """Say why and close; what is still unread is not waited for beyond the closing handshake."""
        if not self.transport.is_closing() and self.conn.state is State.OPEN:
            self.conn.send_close(code, reason)
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.transport.close()

    def cut(self) -> None:
        """End the connection without a word."""
        self.transport.abort()
