"""Binance's top 20 levels become a record."""

import json
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.collector.binance_book import COLUMNS
from app.collector.binance_messages import decode
from app.collector.binance_numbers import MalformedError
from app.collector.receipt import Receipt
from app.domain.decimals import decimals
from app.domain.ticks import BookSnapshot
from app.records import Book

DEPTH = {
    "lastUpdateId": 160,
    "bids": [["99566.42000000", "3.12604000"], ["99566.41000000", "0.50000000"]],
    "asks": [["99566.43000000", "2.90961000"]],
}


def book(**changed: object) -> Book:
    """Return the record of a frame."""
    raw = json.dumps({"stream": "btcusdt@depth20@100ms", "data": DEPTH | changed})
    event = decode(raw, 5, Receipt(77, 3))
    assert isinstance(event, BookSnapshot)
    assert event.symbol == "BTCUSDT"
    return event.book


def test_a_snapshot_is_read_level_by_level() -> None:
    """The best level first; the time is that of its receipt, the symbol that of its stream."""
    assert book() == Book(
        time_ms=5, update_id=160, bid=[99566.42, 99566.41], bid_size=[3.12604, 0.5], ask=[99566.43],
        ask_size=[2.90961], received_ns=77, connection=3,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"bids": [["NaN", "1"]]}, "not finite"),
        ({"asks": [["1e999", "1"]]}, "not finite"),
        ({"bids": [["1", "Infinity"]], "asks": [["2", "-Infinity"]]}, "not finite"),
        ({"bids": [["one", "1"]]}, "could not convert"),
        ({"bids": [["0.0", "1"]]}, "not above zero"),
        ({"asks": [["99566.43", "-1"]]}, "not above zero"),
        ({"asks": [["99566.41", "1"]]}, "crossed"),
        ({"bids": [["1.0", "1"], ["2.0", "1"]]}, "not in order"),
        ({"bids": [["1.0"]]}, "Expected `array` of length 2"),
        ({"bids": None}, "Expected `array`"),
        ({"lastUpdateId": -1}, "out of range"),
        ({"lastUpdateId": "160"}, "Expected `int`"),
    ],
)
def test_a_malformed_book_is_refused_with_its_reason(changed: dict[str, object], reason: str) -> None:
    """Whatever is wrong with it."""
    with pytest.raises(MalformedError, match=reason):
        book(**changed)


def test_a_side_may_be_empty() -> None:
    """A coin that nobody sells."""
    assert (book(asks=[]).ask, book(bids=[]).bid) == ([], [])


NUMBERS = st.tuples(st.integers(1, 10**12), st.integers(0, 10**8 - 1)).map(lambda parts: f"{parts[0]}.{parts[1]:08d}")
LEVELS = st.lists(st.tuples(NUMBERS, NUMBERS), max_size=20)


@given(LEVELS)
def test_every_number_of_a_book_leaves_as_the_exact_decimal_that_came(levels: list[tuple[str, str]]) -> None:
    """From the frame through the columns and their JSON."""
    asks = sorted(levels, key=lambda level: Decimal(level[0]))
    left = msgspec.json.decode(msgspec.json.encode(book(bids=[], asks=asks)), type=Book)
    came = [[Decimal(price) for price, _ in asks], [Decimal(size) for _, size in asks]]
    assert [decimals(name, getattr(left, name), left.exact) for name in COLUMNS[2:]] == came
