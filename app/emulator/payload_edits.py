"""Edits of raw payloads: other ids, other times, damaged text."""

from __future__ import annotations

import random
import re

from app.emulator.market_source import AGG_TRADE, BOOK_TICKER, DEPTH, DEPTH20, KLINE, TRADE, Event
from app.emulator.time_unit import FIRST_MICROSECOND

_IDS = {
    AGG_TRADE: re.compile(rb'"([afl])":(-?\d+)'),
    TRADE: re.compile(rb'"(t)":(-?\d+)'),
    BOOK_TICKER: re.compile(rb'"(u)":(-?\d+)'),
    DEPTH: re.compile(rb'"([Uu])":(-?\d+)'),
    DEPTH20: re.compile(rb'"(lastUpdateId)":(-?\d+)'),
    KLINE: re.compile(rb'"([fL])":(-?\d+)'),
}
_TIMES = re.compile(rb'"([ET])":(\d+)')
_EVENT_TIME = re.compile(rb'"(E)":(\d+)')


def with_ids_moved(event: Event, by: int) -> Event:
    """Return the event with every id of its payload moved: {"a":7,…} by 3 → {"a":10,…}."""
    return event._replace(key=event.key + by, data=_moved(_IDS[event.kind], event.data, by))


def with_times_moved(event: Event, by_ms: int) -> Event:
    """Return the event with another event time and trade time; a kline keeps the times of its second."""
    pattern = _EVENT_TIME if event.kind == KLINE else _TIMES
    is_us = any(int(time) >= FIRST_MICROSECOND for _, time in pattern.findall(event.data))  # as recorded
    return event._replace(data=_moved(pattern, event.data, by_ms * 1000 if is_us else by_ms))


def corrupted(event: Event, choice: random.Random) -> Event:
    """Return the event with a payload that is cut, garbled, of the wrong type or empty."""
    data = event.data
    half = choice.randrange(1, len(data))
    forms = (data[:half], data[:half] + b'"' + data[half:], b"[" + data + b"]", b"null", b"{}", b"<html>502</html>")
    return event._replace(data=choice.choice(forms))


def _moved(pattern: re.Pattern[bytes], data: bytes, by: int) -> bytes:
    return pattern.sub(lambda found: b'"%b":%d' % (found[1], int(found[2]) + by), data)
