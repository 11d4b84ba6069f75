"""Clients, their subscriptions and their queues."""

from collections.abc import Iterable

import pytest

from app.emulator.market_source import Event
from app.emulator.subscribers import Subscriber, Subscribers

EVENT = Event(0, "BTCUSDT", "trade", 1, "btcusdt@trade", b'{"t":1}')


class FakeConnection:
    """A connection that keeps what is written; `slow` ends it at the next write."""

    def __init__(self, *, slow: bool = False) -> None:
        self.slow, self.written, self.aborted = slow, list[bytes](), False

    def write_messages(self, payloads: Iterable[bytes], unread_bytes: int = 0) -> bool:
        """Keep the messages."""
        self.written += payloads
        return not self.slow

    def close(self, code: int, reason: str) -> None:
        """Fail: no test closes with a handshake."""
        raise AssertionError(f"closed: {code} {reason}")

    def abort(self) -> None:
        """Record the end."""
        self.aborted = True


@pytest.fixture
def clients() -> Subscribers:
    """Return an exchange's subscribers, none yet."""
    return Subscribers(unread_bytes=100)


def test_an_event_goes_to_its_subscribers_at_the_next_flush(clients: Subscribers) -> None:
    """A combined client gets the stream's name too; a client of another stream gets nothing."""
    connections = [FakeConnection() for _ in range(3)]
    for connection, combined, stream in zip(
        connections, (True, False, False), ("btcusdt@trade",) * 2 + ("x",), strict=True
    ):
        clients.add(Subscriber(connection, combined), [stream])
    assert clients.enqueue(EVENT)
    assert [connection.written for connection in connections] == [[], [], []]
    clients.flush()
    clients.flush()
    wrapped = b'{"stream":"btcusdt@trade","data":{"t":1}}'
    assert [connection.written for connection in connections] == [[wrapped], [EVENT.data], []]


def test_streams_without_subscribers_are_absent(clients: Subscribers) -> None:
    """A stream is subscribed until its last client leaves; every change is reported."""
    changes = list[set[str]]()
    clients.on_change = lambda: changes.append(set(clients.subscribed))
    one, other = Subscriber(FakeConnection(), combined=False), Subscriber(FakeConnection(), combined=False)
    clients.add(one, ["a", "b"])
    clients.add(other, ["b"])
    clients.unsubscribe(one, ["a", "never"])
    clients.remove(one)
    clients.remove(other)
    assert changes == [{"a", "b"}, {"a", "b"}, {"b"}, {"b"}, set()]
    assert (clients.connected, clients.enqueue(EVENT)) == (set(), False)


def test_slow_clients_and_faults_are_counted(clients: Subscribers) -> None:
    """A client that does not keep up counts as slow; a fault ends and counts every connection."""
    slow, quick = FakeConnection(slow=True), FakeConnection()
    for connection in (slow, quick):
        clients.add(Subscriber(connection, combined=False), [EVENT.stream])
    clients.enqueue(EVENT)
    clients.flush()
    for client in list(clients.connected):
        clients.abort(client)
    assert dict(clients.closed) == {"slow": 1, "fault": 2}
    assert slow.aborted
    assert quick.aborted
