"""The log of sent events."""

import msgspec

from app.emulator.market_source import AGG_TRADE, BOOK_TICKER, DEPTH20, Event
from app.emulator.sent_log import SentLog, events_kept_per_stream


def event(key: int, due_ms: int, kind: str = AGG_TRADE) -> Event:
    return Event(due_ms * 1000, "BTCUSDT", kind, key, f"btcusdt@{kind}", b'{"u":%d}' % key)


def test_counts_go_on_while_recent_events_are_bounded() -> None:
    """The summary counts every event; only the latest keep their payload."""
    log = SentLog(kept_per_stream=2)
    for key in (7, 8, 9):
        log.add(event(key, key), late_ms=0.0)
    assert log.summary() == {"BTCUSDT": {AGG_TRADE: {"count": 3, "first_id": 7, "last_id": 9}}}
    assert log.ids("BTCUSDT") == [8, 9]


def test_books_are_counted_and_not_kept() -> None:
    """A hundred symbols with books would fill the memory; the record on disk has them."""
    log = SentLog()
    log.add(event(7, 7, DEPTH20), late_ms=0.0)
    assert log.summary() == {"BTCUSDT": {DEPTH20: {"count": 1, "first_id": 7, "last_id": 7}}}
    assert log.ids("BTCUSDT", DEPTH20) == []


def test_events_are_selected_by_due_time_and_kind() -> None:
    """Both ends are included; quotes come as they were sent; an unknown symbol has none."""
    log = SentLog()
    for key in (1, 2, 3):
        log.add(event(key, key * 10), late_ms=0.0)
        log.add(event(key, key * 10, BOOK_TICKER), late_ms=0.0)
    found = msgspec.json.decode(msgspec.json.encode(log.between("BTCUSDT", 10, 20)))
    assert found == {"symbol": "BTCUSDT", "trades": [1, 2], "raw_trades": [], "quotes": [{"u": 1}, {"u": 2}]}
    assert log.ids("ETHUSDT") == []


def test_lateness_is_given_in_percentiles() -> None:
    """Of 101 events late by 0 … 100 ms the median is 50 ms and the worst 100 ms; without events there is none."""
    log = SentLog()
    assert log.late_ms_percentiles() == {}
    for late_ms in range(101):
        log.add(event(late_ms, late_ms), float(late_ms))
    assert log.late_ms_percentiles() == {"p50": 50.0, "p99": 99.0, "max": 100.0}


def test_many_symbols_keep_fewer_events_each() -> None:
    """20,000 events of each stream for one symbol, at least 100 for any number."""
    assert [events_kept_per_stream(symbols) for symbols in (1, 10, 10_000)] == [20_000, 10_000, 100]
