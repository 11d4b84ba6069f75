"""Binance's unit of times: milliseconds, or microseconds with `timeUnit=MICROSECOND` (REST: a header).

A market's payloads are in ms and an event knows the microseconds beyond (`Event.microsecond`); payloads that were
recorded in µs stay so. They get the client's unit when they are sent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from app.emulator.market_source import BOOK_TICKER, DEPTH20, KLINE, Event

FIRST_MICROSECOND = 10**14  # a greater time is in µs: in ms it would be after the year 5138
HEADER = "X-MBX-TIME-UNIT"
_UNTIMED = frozenset({BOOK_TICKER, DEPTH20})
_EVENT_MS, _EVENT_US = (re.compile(rb'"([ET])":(\d{%b})(?=[,}])' % digits) for digits in (b"11,14", b"15,17"))
_KLINE_MS, _KLINE_US = (re.compile(rb'"([ETt])":(\d{%b})(?=[,}])' % digits) for digits in (b"11,14", b"15,17"))


def is_microseconds(parameters: Mapping[str, str], name: str = "timeUnit") -> bool:
    """Return whether a query (or with HEADER the headers of a request) asks for microseconds."""
    return parameters.get(name, "").upper() == "MICROSECOND"


def in_microseconds(event: Event) -> bytes:
    """Return an event's payload with times in µs: {"E":1680652800000,…} → {"E":1680652800000123,…}."""
    if event.kind in _UNTIMED:
        return event.data
    if event.kind == KLINE:
        return _KLINE_MS.sub(rb'"\1":\g<2>000', event.data)
    return _EVENT_MS.sub(rb'"\1":\g<2>%03d' % event.microsecond, event.data)


def in_milliseconds(event: Event) -> bytes:
    """Return an event's payload with times in ms, as they are but for recordings in µs."""
    if event.kind in _UNTIMED:
        return event.data
    pattern = _KLINE_US if event.kind == KLINE else _EVENT_US
    return pattern.sub(lambda found: b'"%b":%d' % (found[1], int(found[2]) // 1000), event.data)


def split(time: int) -> tuple[int, int]:
    """Return epoch milliseconds and microseconds of a time in ms or µs: 1680652800000123 → (1680652800000, 123)."""
    return divmod(time, 1000) if time >= FIRST_MICROSECOND else (time, 0)
