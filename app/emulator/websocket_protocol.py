"""A WebSocket connection of uvicorn that writes many messages at once and ends clients that do not keep up.

ASGI sends one message per await and hides the socket. The send loop writes everything that is due without waiting; a
client whose unread bytes exceed the bound is disconnected, as on Binance, so that it does not delay the others.
"""

from collections.abc import Iterable
from typing import Any

from websockets import http11

from app.service.uvicorn_fixes import DirectProtocol

http11.MAX_LINE_LENGTH = 64 * 1024  # one URL may name 1,024 streams
MAX_UNREAD_BYTES = 4 * 1024 * 1024


class ExchangeWebSocketProtocol(DirectProtocol):
    """uvicorn's WebSocket protocol, reachable from the endpoint as `websocket.state.connection`."""

    def on_connect(self, scope: dict[str, Any]) -> None:
        """Put this connection into the scope of its endpoint."""
        scope["state"]["connection"] = self

    def write_messages(self, payloads: Iterable[bytes], unread_bytes: int = MAX_UNREAD_BYTES) -> bool:
        """Write text messages at once; False if the client did not keep up and its connection was ended."""
        if not self.is_open():
            return True
        if self.unsent_bytes() > unread_bytes:
            self.transport.abort()
            return False
        self.write_texts(payloads)
        return True

    def close(self, code: int, reason: str) -> None:
        """Close with a closing handshake that carries code and reason."""
        if self.is_open():
            self.write_close(code, reason)
            self.transport.close()

    def abort(self) -> None:
        """End the connection without a closing handshake."""
        self.transport.abort()
