"""Replay of one symbol's recorded book: its state at a time, and the messages of `depth20@100ms` made of it."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from threading import Lock

from app.emulator.book_payloads import depth20_data
from app.emulator.market_source import DEPTH20, Event, OrderBook
from app.emulator.payloads import stream_name
from app.emulator.recorded_book import LEVELS, MOST_LEVELS, BookMessage, RecordedBook

EVENTS_KEPT = 1_000  # the send loop goes back by less than a second when subscriptions change


class BookReplay:
    """Goes through the messages of one symbol (by receive time) once; going back begins anew. Threads may share it."""

    def __init__(self, symbol: str, messages: Sequence[BookMessage]) -> None:
        self._symbol, self._messages = symbol, messages
        self._due_us = [message.due_us for message in messages]
        self._has_snapshots = any(message.is_snapshot for message in messages)
        self._lock = Lock()
        self._next, self._until_us = 0, 0  # message to apply, end of the events that were made
        self._book = RecordedBook(has_snapshots=self._has_snapshots)
        self._kept: deque[Event] = deque(maxlen=EVENTS_KEPT)

    def at(self, now_us: int) -> OrderBook | None:
        """Return the book after the last message before now; None while it is not known."""
        with self._lock:
            self._go_to(now_us)
            return self._book.get(MOST_LEVELS)

    def events(self, start_us: int, end_us: int) -> list[Event]:
        """Return the top 20 after each difference received in [start, end)."""
        with self._lock:
            if not (self._kept and self._kept[0].due_us <= start_us <= self._until_us):
                self._go_to(start_us)
            messages = self._messages[self._next : bisect_left(self._due_us, end_us)]
            made = [event for message in messages for event in self._step(message)]
            events = [event for event in (*self._kept, *made) if start_us <= event.due_us < end_us]
            self._kept.extend(made)
            self._until_us = max(self._until_us, end_us)
            return events

    def _go_to(self, now_us: int) -> None:
        until = bisect_left(self._due_us, now_us)
        if until < self._next:
            self._next, self._book = 0, RecordedBook(has_snapshots=self._has_snapshots)
        for message in self._messages[self._next : until]:
            self._book.apply(message)
        self._next, self._until_us = until, now_us
        self._kept.clear()

    def _step(self, message: BookMessage) -> list[Event]:
        self._next += 1
        self._book.apply(message)
        book = None if message.is_snapshot else self._book.get(LEVELS)
        if book is None:
            return []
        stream, data = stream_name(self._symbol, DEPTH20), depth20_data(book)
        return [Event(message.due_us, self._symbol, DEPTH20, book.update_id, stream, data)]
