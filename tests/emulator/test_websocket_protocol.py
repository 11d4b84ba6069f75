"""The WebSocket connection at its transport."""

from typing import Any

import pytest
from websockets.protocol import State

from app.emulator.websocket_protocol import ExchangeWebSocketProtocol


class FakeTransport:
    """A transport with a given number of unread bytes."""

    def __init__(self, unread_bytes: int = 0) -> None:
        self.unread_bytes, self.written, self.end = unread_bytes, b"", ""

    def is_closing(self) -> bool:
        """Say whether the connection was ended."""
        return bool(self.end)

    def get_write_buffer_size(self) -> int:
        """Return the unread bytes."""
        return self.unread_bytes

    def write(self, data: bytes) -> None:
        """Keep the bytes."""
        self.written += data

    def abort(self) -> None:
        """Record the end."""
        self.end = "aborted"

    def close(self) -> None:
        """Record the end."""
        self.end = "closed"


class FakeProtocol:
    """The state of a WebSocket whose frames are the texts themselves."""

    def __init__(self, state: State = State.OPEN) -> None:
        self.state, self.pending = state, list[bytes]()

    def send_text(self, payload: bytes) -> None:
        """Queue a text frame."""
        self.pending.append(payload)

    def send_close(self, code: int, reason: str) -> None:
        """Queue a close frame."""
        self.pending.append(f"{code} {reason}".encode())

    def data_to_send(self) -> list[bytes]:
        """Return the queued frames once."""
        pending, self.pending = self.pending, []
        return pending


def connection(transport: FakeTransport, state: State = State.OPEN) -> Any:
    made: Any = object.__new__(ExchangeWebSocketProtocol)
    made.transport, made.conn, made.close_sent, made.disconnected = transport, FakeProtocol(state), False, False
    return made


def test_messages_are_written_at_once() -> None:
    """All messages go out in one write while the client keeps up."""
    transport = FakeTransport(unread_bytes=100)
    assert connection(transport).write_messages([b"a", b"b"], 100)
    assert (transport.written, transport.end) == (b"ab", "")


def test_a_client_with_too_many_unread_bytes_is_disconnected() -> None:
    """Beyond the bound nothing is written and the connection is aborted."""
    transport = FakeTransport(unread_bytes=101)
    assert not connection(transport).write_messages([b"a"], 100)
    assert (transport.written, transport.end) == (b"", "aborted")


@pytest.mark.parametrize("state", [State.CLOSING, State.CLOSED])
def test_a_closing_connection_gets_nothing(state: State) -> None:
    """It does not count as slow either."""
    transport = FakeTransport(unread_bytes=101)
    assert connection(transport, state).write_messages([b"a"], 100)
    assert (transport.written, transport.end) == (b"", "")


def test_a_close_carries_code_and_reason() -> None:
    """The closing frame is written before the transport closes; a second close does nothing."""
    transport = FakeTransport()
    closing = connection(transport)
    closing.close(1008, "flood")
    closing.close(1000, "again")
    assert (transport.written, transport.end) == (b"1008 flood", "closed")
