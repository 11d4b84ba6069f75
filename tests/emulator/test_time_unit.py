"""Times of payloads in ms and µs."""

from app.emulator.market_source import AGG_TRADE, BOOK_TICKER, KLINE, Event
from app.emulator.payload_edits import with_times_moved
from app.emulator.time_unit import in_microseconds, in_milliseconds, split


def event(kind: str, data: bytes, microsecond: int = 0) -> Event:
    return Event(0, "BTCUSDT", kind, 7, f"btcusdt@{kind}", data, microsecond)


COARSE = b'{"e":"aggTrade","E":1680652800000,"a":1680652800000,"p":"7","T":1680652799999}'
FINE = b'{"e":"aggTrade","E":1680652800000042,"a":1680652800000,"p":"7","T":1680652799999042}'


def test_a_payload_in_milliseconds_gets_the_microseconds_of_its_event() -> None:
    """Ids of the same size are no times."""
    assert in_microseconds(event(AGG_TRADE, COARSE, 42)) == FINE
    assert in_milliseconds(event(AGG_TRADE, COARSE, 42)) == COARSE


def test_a_payload_that_was_recorded_in_microseconds_stays_so_and_is_cut_for_others() -> None:
    """Its own microseconds, not the event's."""
    assert in_microseconds(event(AGG_TRADE, FINE)) == FINE
    assert in_milliseconds(event(AGG_TRADE, FINE)) == COARSE


def test_klines_have_times_of_their_second_and_quotes_have_none() -> None:
    """`t` is a time there, and a trade id elsewhere."""
    kline = b'{"e":"kline","E":1680652800000,"k":{"t":1680652799000,"T":1680652799999,"n":4}}'
    fine = b'{"e":"kline","E":1680652800000000,"k":{"t":1680652799000000,"T":1680652799999000,"n":4}}'
    assert (in_microseconds(event(KLINE, kline)), in_milliseconds(event(KLINE, fine))) == (fine, kline)
    assert in_microseconds(event(BOOK_TICKER, b'{"u":1680652800000}')) == b'{"u":1680652800000}'


def test_a_wrong_clock_is_wrong_by_the_same_time_in_either_unit() -> None:
    """A recording in µs is moved in µs."""
    moved = (with_times_moved(event(AGG_TRADE, data), 1_000) for data in (COARSE, FINE))
    coarse, fine = (in_milliseconds(one) for one in moved)
    assert coarse == fine == COARSE.replace(b'2800000,"a', b'2801000,"a').replace(b"2799999", b"2800999")


def test_a_time_is_milliseconds_and_microseconds() -> None:
    """Recognised by its size."""
    assert (split(1680652800000), split(1680652800000123)) == ((1680652800000, 0), (1680652800000, 123))
