"""The connected clients and their subscriptions, and the events queued for each."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from app.emulator.market_source import Event
from app.emulator.payloads import combined_payload
from app.emulator.time_unit import in_microseconds, in_milliseconds
from app.logs import logger

log = logger("exchange")


class SubscriberConnection(Protocol):
    """What a subscriber needs of its connection; in production an `ExchangeWebSocketProtocol`."""

    def write_messages(self, payloads: Iterable[bytes], unread_bytes: int = ...) -> bool:
        """Write messages; False if the client was too slow and its connection was ended."""

    def close(self, code: int, reason: str) -> None:
        """Close with a closing handshake."""

    def abort(self) -> None:
        """End the connection without a closing handshake."""


@dataclass(eq=False, slots=True)
class Subscriber:
    """One connection; `combined` wraps payloads with their stream's name, `microseconds` is the unit of their times.

    `streams` keeps the order of subscription.
    """

    connection: SubscriberConnection
    combined: bool
    microseconds: bool = False
    streams: dict[str, None] = field(default_factory=dict)
    pending: list[bytes] = field(default_factory=list)
    connected_s: float = field(default_factory=time.monotonic)


@dataclass(slots=True)
class Subscribers:
    """All connected clients. `on_change` is called when the set of subscribed streams may have changed."""

    unread_bytes: int
    on_change: Callable[[], None] = lambda: None
    connected: set[Subscriber] = field(default_factory=set)
    closed: Counter[str] = field(default_factory=Counter)  # by reason: slow, flood, lifetime, fault
    _by_stream: defaultdict[str, set[Subscriber]] = field(default_factory=lambda: defaultdict(set))

    @property
    def subscribed(self) -> Mapping[str, set[Subscriber]]:
        """Stream → its subscribers; streams without one are absent."""
        return self._by_stream

    def add(self, client: Subscriber, streams: Iterable[str]) -> None:
        """Add a client with its first subscriptions."""
        self.connected.add(client)
        self.subscribe(client, streams)

    def subscribe(self, client: Subscriber, streams: Iterable[str]) -> None:
        """Add streams to a client's subscriptions."""
        for stream in streams:
            client.streams[stream] = None
            self._by_stream[stream].add(client)
        self.on_change()

    def unsubscribe(self, client: Subscriber, streams: Iterable[str]) -> None:
        """Remove streams from a client's subscriptions."""
        for stream in streams:
            client.streams.pop(stream, None)
            self._by_stream[stream].discard(client)
            if not self._by_stream[stream]:
                del self._by_stream[stream]
        self.on_change()

    def remove(self, client: Subscriber) -> None:
        """Remove a client and its subscriptions."""
        self.unsubscribe(client, list(client.streams))
        self.connected.discard(client)

    def enqueue(self, event: Event, copies: int = 1) -> bool:
        """Queue an event for its subscribers until the next `flush`, `copies` times; False if there are none."""
        subscribers = self._by_stream.get(event.stream, ())
        for _ in range(copies):
            self._enqueue(event, subscribers)
        return bool(subscribers)

    def _enqueue(self, event: Event, subscribers: Iterable[Subscriber]) -> None:
        payloads: dict[tuple[bool, bool], bytes] = {}
        for client in subscribers:
            form = client.combined, client.microseconds
            if form not in payloads:
                data = in_microseconds(event) if client.microseconds else in_milliseconds(event)
                payloads[form] = combined_payload(event.stream, data) if client.combined else data
            client.pending.append(payloads[form])

    def flush(self) -> None:
        """Write what is queued; the connection of a client that does not keep up is ended."""
        for client in self.connected:
            if client.pending:
                kept_up = client.connection.write_messages(client.pending, self.unread_bytes)
                client.pending = []
                if not kept_up:
                    self.closed["slow"] += 1
                    log.warning("slow client disconnected", streams=len(client.streams))

    def abort(self, client: Subscriber) -> None:
        """End a connection without a closing handshake."""
        self.closed["fault"] += 1
        client.connection.abort()
