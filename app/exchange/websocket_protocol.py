"""The emulator's WebSocket connections: many payloads in one write, and a slow client is cut off.

ASGI sends one message per await and hides the socket. The feed needs neither wait: it writes all that is due, and a
client whose unread bytes exceed the bound is dropped, as Binance does, so that it cannot hold up the others.
"""

from collections.abc import Iterable
from typing import Any

from websockets import http11

from app.service.uvicorn_fixes import DirectProtocol

http11.MAX_LINE_LENGTH = 64 * 1024  # 1,024 streams can stand in one URL
UNREAD_BYTES = 4 * 1024 * 1024


class ExchangeWebSocketProtocol(DirectProtocol):
    """uvicorn's WebSocket protocol, reachable from the endpoint as `websocket.state.wire`."""

    def on_connect(self, scope: dict[str, Any]) -> None:
        """Add this connection to the scope that its endpoint gets."""
        scope["state"]["wire"] = self

    def push(self, payloads: Iterable[bytes], unread_bytes: int = UNREAD_BYTES) -> bool:
        """Write text messages at once; False if the client was cut off because it does not keep up."""
        if not self.is_open():
            return True
        if self.unsent_bytes() > unread_bytes:
            self.transport.abort()
            return False
        self.write_texts(payloads)
        return True

    def close(self, code: int, reason: str) -> None:
        """Send the reason and close; what is still unread is not waited for beyond the closing handshake."""
        if self.is_open():
            self.write_close(code, reason)
            self.transport.close()

    def cut(self) -> None:
        """End the connection without a close frame."""
        self.transport.abort()
