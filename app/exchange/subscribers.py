"""Who listens to what; enters: connections and their subscriptions; leaves: each event to its subscribers."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from app.exchange.frames import combined
from app.exchange.source import Event
from app.logs import logger

log = logger("exchange")


class SubscriberConnection(Protocol):
    """What a client needs of its socket; `Wire` in production."""

    def push(self, payloads: Iterable[bytes], unread_bytes: int = ...) -> bool:
        """Write messages; False if the client was cut off."""

    def close(self, code: int, reason: str) -> None:
        """Close, saying why."""

    def cut(self) -> None:
        """Close without a word."""


@dataclass(eq=False, slots=True)
class Subscriber:
    """One connection; `combined` wraps payloads with their stream's name. `streams` keeps the order of subscription."""

    connection: SubscriberConnection
    combined: bool
    streams: dict[str, None] = field(default_factory=dict)
    pending: list[bytes] = field(default_factory=list)


@dataclass(slots=True)
class Subscribers:
    """All connections. `changed` is called when the set of wanted streams may have changed."""

    unread_bytes: int
    changed: Callable[[], None] = lambda: None
    everyone: set[Subscriber] = field(default_factory=set)
    closed: Counter[str] = field(default_factory=Counter)  # by reason: slow, flood, lifetime, fault
    _listeners: defaultdict[str, set[Subscriber]] = field(default_factory=lambda: defaultdict(set))

    @property
    def wanted(self) -> Mapping[str, set[Subscriber]]:
        """Streams that somebody listens to."""
        return self._listeners

    def subscribe(self, client: Subscriber, streams: Iterable[str]) -> None:
        """Add streams to a client's subscriptions."""
        for stream in streams:
            client.streams[stream] = None
            self._listeners[stream].add(client)
        self.changed()

    def unsubscribe(self, client: Subscriber, streams: Iterable[str]) -> None:
        """Take streams from a client's subscriptions."""
        for stream in streams:
            client.streams.pop(stream, None)
            self._listeners[stream].discard(client)
            if not self._listeners[stream]:
                del self._listeners[stream]
        self.changed()

    def leave(self, client: Subscriber) -> None:
        """Forget a client."""
        self.unsubscribe(client, list(client.streams))
        self.everyone.discard(client)

    def queue(self, event: Event) -> bool:
        """Hand an event to its subscribers, to go out with the next flush; False if there are none."""
        wrapped: bytes | None = None
        listeners = self._listeners.get(event.stream, ())
        for client in listeners:
            if client.combined:
                wrapped = wrapped or combined(event)
                client.pending.append(wrapped)
            else:
                client.pending.append(event.data)
        return bool(listeners)

    def flush(self) -> None:
        """Write what is queued; a client that does not keep up is cut off."""
        for client in self.everyone:
            if client.pending:
                kept_up = client.connection.push(client.pending, self.unread_bytes)
                client.pending = []
                if not kept_up:
                    self.closed["slow"] += 1
                    log.warning("slow client cut off", streams=len(client.streams))

    def disconnect_all(self) -> None:
        """Cut every connection without a word."""
        self.closed["fault"] += len(self.everyone)
        for client in list(self.everyone):
            client.connection.cut()
