"""Messages that change subscriptions, without a socket."""

from typing import Any

import msgspec
import pytest

from app.emulator import subscription_messages
from app.emulator.subscribers import Subscriber, Subscribers
from app.emulator.subscription_messages import reply


@pytest.fixture
def client() -> Subscriber:
    """Return a client; its connection is never used."""
    return Subscriber(None, combined=False)  # type: ignore[arg-type]


def ask(client: Subscriber, clients: Subscribers, **message: Any) -> Any:
    return msgspec.json.decode(reply(msgspec.json.encode(message), client, clients))


def test_subscriptions_keep_their_order(client: Subscriber) -> None:
    """The list has the streams in the order of their first subscription."""
    clients = Subscribers(unread_bytes=0)
    ask(client, clients, method="SUBSCRIBE", params=["b", "a"], id=1)
    ask(client, clients, method="SUBSCRIBE", params=["c", "b"], id=2)
    ask(client, clients, method="UNSUBSCRIBE", params=["a"], id=3)
    assert ask(client, clients, method="LIST_SUBSCRIPTIONS", id="x") == {"result": ["b", "c"], "id": "x"}
    assert set(clients.subscribed) == {"b", "c"}


def test_the_form_of_messages_is_a_property(client: Subscriber) -> None:
    """`combined` can be set and read."""
    clients = Subscribers(unread_bytes=0)
    assert ask(client, clients, method="SET_PROPERTY", params=["combined", True], id=1) == {"result": None, "id": 1}
    assert ask(client, clients, method="GET_PROPERTY", params=["combined"], id=2)["result"] is True


def test_too_many_streams_change_nothing(client: Subscriber, monkeypatch: pytest.MonkeyPatch) -> None:
    """A subscription beyond the limit is refused as a whole; known streams do not count twice."""
    monkeypatch.setattr(subscription_messages, "MAX_STREAMS", 2)
    clients = Subscribers(unread_bytes=0)
    ask(client, clients, method="SUBSCRIBE", params=["a", "b"], id=1)
    assert ask(client, clients, method="SUBSCRIBE", params=["b", "c"], id=2)["error"]["code"] == 2
    assert ask(client, clients, method="SUBSCRIBE", params=["a", "b"], id=3) == {"result": None, "id": 3}
    assert list(client.streams) == ["a", "b"]


def test_an_error_carries_the_id_of_its_request(client: Subscriber) -> None:
    """If the id itself is wrong, the error carries none."""
    clients = Subscribers(unread_bytes=0)
    assert ask(client, clients, method="JUMP", id=7)["id"] == 7
    assert ask(client, clients, method="SUBSCRIBE", id=True)["id"] is None
