"""Binance's messages become trades and quotes."""

import json
from contextlib import suppress
from decimal import Decimal
from itertools import repeat
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.collector.binance_messages import (
    ShutdownNotice,
    decode,
    server_time_ms,
    stream_names,
    trades_of_rows,
)
from app.collector.binance_numbers import MalformedError
from app.collector.receipt import Receipt
from app.domain.decimals import decimals
from app.domain.ticks import Quote, Trade, quote_columns, trade_columns
from app.records import Quotes, Trades

TRADE = {"e": "aggTrade", "E": 1733464456075, "s": "BTCUSDT", "a": 3305280883, "p": "97900.88000000",
         "q": "0.00208000", "f": 4216590360, "l": 4216590360, "T": 1733464456074, "m": True, "M": True}  # fmt: skip
QUOTE = {"u": 56052199039, "s": "BTCUSDT", "b": "99566.42000000", "B": "3.12604000", "a": "99566.43000000",
         "A": "2.90961000"}  # fmt: skip


def sorted_by_value(texts: tuple[str, str]) -> list[str]:
    """Return two numbers, the smaller one first."""
    return sorted(texts, key=Decimal)


def frame(kind: str, data: object) -> str:
    """Return a frame of the combined stream."""
    return json.dumps({"stream": f"btcusdt@{kind}", "data": data})


def test_a_real_trade_is_read() -> None:
    """The aggregate trade of a combined stream."""
    expected = Trade(
        "BTCUSDT", 3305280883, 1733464456074, 97900.88, 0.00208, True, first_id=4216590360, last_id=4216590360
    )
    assert decode(frame("aggTrade", TRADE), 5) == expected


def test_a_trade_keeps_its_microsecond_and_its_receipt() -> None:
    """`T` in µs, as with `timeUnit=MICROSECOND`; the first and the last trade of the aggregate."""
    trade = decode(frame("aggTrade", TRADE | {"T": 1733464456074123, "l": 4216590364}), 5, Receipt(77, 3))
    assert isinstance(trade, Trade)
    assert (trade.time_ms, trade.microsecond, trade.received_ns, trade.connection) == (1733464456074, 123, 77, 3)
    assert (trade.first_id, trade.last_id) == (4216590360, 4216590364)
    quote = decode(frame("bookTicker", QUOTE), 5, Receipt(78, 4))
    assert isinstance(quote, Quote)
    assert (quote.received_ns, quote.connection) == (78, 4)


# Binance's numbers: up to eight decimals, always written out; the longest have more digits than a float.
NUMBERS = st.tuples(st.integers(0, 10**13), st.integers(0, 10**8 - 1)).map(lambda parts: f"{parts[0]}.{parts[1]:08d}")
PRICES = NUMBERS.filter(lambda text: float(text) > 0)


@given(st.lists(st.tuples(PRICES, NUMBERS.filter(lambda text: float(text) > 0)), min_size=1, max_size=5))
def test_every_number_of_a_trade_leaves_as_the_exact_decimal_that_came(numbers: list[tuple[str, str]]) -> None:
    """From the frame through the columns and their JSON."""
    came = [frame("aggTrade", TRADE | {"p": price, "q": quantity}) for price, quantity in numbers]
    trades = [event for event in map(decode, came, repeat(0)) if isinstance(event, Trade)]
    columns = msgspec.json.decode(msgspec.json.encode(trade_columns(trades)), type=Trades)
    assert decimals("price", columns.price, columns.exact) == [Decimal(price) for price, _ in numbers]
    assert decimals("quantity", columns.quantity, columns.exact) == [Decimal(quantity) for _, quantity in numbers]


@given(st.tuples(PRICES, PRICES).map(sorted_by_value), NUMBERS, NUMBERS)
def test_every_number_of_a_quote_leaves_as_the_exact_decimal_that_came(
    prices: list[str], bid_size: str, ask_size: str
) -> None:
    """Sizes may be zero."""
    raw = frame("bookTicker", QUOTE | {"b": prices[0], "B": bid_size, "a": prices[1], "A": ask_size})
    quote = decode(raw, 0)
    assert isinstance(quote, Quote)
    columns = msgspec.json.decode(msgspec.json.encode(quote_columns([quote])), type=Quotes)
    left = [decimals(name, getattr(columns, name), columns.exact)[0] for name in ("bid", "bid_size", "ask", "ask_size")]
    assert left == [Decimal(text) for text in (prices[0], bid_size, prices[1], ask_size)]


def test_only_numbers_that_a_float_loses_travel_a_second_time() -> None:
    """Sixteen digits and more; zeros at the end do not count."""
    exact = [
        event.exact
        for number in ("97900.88000000", "123456789012.50000000", "12345678901.23456789")
        if isinstance(event := decode(frame("aggTrade", TRADE | {"q": number}), 0), Trade)
    ]
    assert exact == [(), (), (("quantity", "12345678901.23456789"),)]


def test_a_real_quote_is_read_under_the_time_of_its_receipt() -> None:
    """`bookTicker` carries no time."""
    assert decode(frame("bookTicker", QUOTE), 5) == Quote(
        "BTCUSDT", 56052199039, 5, 99566.42, 3.12604, 99566.43, 2.90961
    )


def test_recorded_frames_of_every_kind_are_decoded_or_ignored(recordings: Path) -> None:
    """Klines and mark prices are ignored; trades of futures have the shape of spot trades."""
    lines = (recordings / "binance-ws/single-frames.jsonl").read_text().splitlines()
    kinds = [type(decode(line, 1)).__name__ for line in lines]
    assert kinds == ["NoneType", "NoneType", "Trade", "Trade", "Quote", "Trade", "NoneType", "NoneType"]


def test_a_rest_row_is_the_same_trade_as_its_frame() -> None:
    """A trade fetched over REST equals the one from the stream."""
    row = {key: TRADE[key] for key in ("a", "p", "q", "f", "l", "T", "m", "M")}
    assert trades_of_rows("BTCUSDT", [row])[0] == decode(frame("aggTrade", TRADE), 0)


@pytest.mark.parametrize(
    "raw",
    [
        '{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1770123456789}}',
        '{"e":"serverShutdown","E":1770123456789}',
    ],
)
def test_the_shutdown_notice_is_decoded_with_and_without_a_stream(raw: str) -> None:
    """Ten minutes before the connection closes."""
    assert isinstance(decode(raw, 0), ShutdownNotice)


@pytest.mark.parametrize("raw", ['{"result":null,"id":1}', "{}", frame("depth@100ms", {"u": 1}), frame("trade", {})])
def test_frames_without_a_trade_or_quote_are_ignored(raw: str) -> None:
    """Answers to requests, other streams."""
    assert decode(raw, 0) is None


HOSTILE: list[tuple[str, dict[str, object], str]] = [
    ("aggTrade", TRADE | {"p": "NaN"}, "not finite"),
    ("aggTrade", TRADE | {"p": "1e999"}, "not finite"),
    ("aggTrade", TRADE | {"p": "0.00000000"}, "not above zero"),
    ("aggTrade", TRADE | {"p": "-1"}, "not above zero"),
    ("aggTrade", TRADE | {"p": "٣x"}, "not a number"),
    ("aggTrade", TRADE | {"p": 97900.88}, "Expected `str`"),
    ("aggTrade", TRADE | {"a": "3305280883"}, "Expected `int`"),
    ("aggTrade", TRADE | {"a": 2**63}, "out of range"),
    ("aggTrade", TRADE | {"a": 10**40}, "out of range"),
    ("aggTrade", TRADE | {"T": -1}, "out of range"),
    ("aggTrade", TRADE | {"T": None}, "Expected `int`"),
    ("aggTrade", TRADE | {"m": "true"}, "Expected `bool`"),
    ("aggTrade", {}, "missing required field"),
    ("bookTicker", QUOTE | {"b": "Infinity"}, "not finite"),
    ("bookTicker", QUOTE | {"B": "-0.1"}, "negative"),
    ("bookTicker", QUOTE | {"b": "99566.44"}, "above ask"),
    ("bookTicker", QUOTE | {"s": ["BTCUSDT"]}, "Expected `str`"),
    ("bookTicker", {"u": 1}, "missing required field"),
]


@pytest.mark.parametrize(("kind", "data", "reason"), HOSTILE)
def test_a_malformed_trade_or_quote_is_refused_with_its_reason(kind: str, data: dict[str, object], reason: str) -> None:
    """Wrong types, missing fields, numbers that are none."""
    with pytest.raises(MalformedError, match=reason):
        decode(frame(kind, data), 0)


@pytest.mark.parametrize(
    "raw", ["", "[]", "null", '{"stream":7}', '{"stream":"x@aggTrade","data":[1]}', "\ud800", b"\xff{"]
)
def test_a_malformed_frame_is_refused(raw: str | bytes) -> None:
    """Never an error of another kind."""
    with pytest.raises(MalformedError):
        decode(raw, 0)


INNER = st.recursive(st.none() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x))


@given(st.binary() | st.text() | INNER.map(lambda data: frame("aggTrade", data)))
def test_no_payload_raises_anything_but_malformed(raw: str | bytes) -> None:
    """Whatever bytes come."""
    with suppress(MalformedError):
        decode(raw, 0)


@pytest.mark.parametrize("rows", ["<html>", 7, None, {"a": 1}, [None], [{"a": 1}], [TRADE | {"p": "x"}]])
def test_hostile_rest_rows_are_refused(rows: object) -> None:
    """An answer that is no list, a row without a price."""
    with pytest.raises(MalformedError):
        trades_of_rows("BTCUSDT", rows)


@pytest.mark.parametrize("answer", [{}, {"serverTime": "now"}, [], None, {"serverTime": None}])
def test_an_answer_without_the_time_is_refused(answer: object) -> None:
    """Its clock is not guessed."""
    assert server_time_ms({"serverTime": 1733464456075}) == 1733464456075.0
    assert server_time_ms({"serverTime": 1733464456075250}) == 1733464456075.25
    with pytest.raises(MalformedError):
        server_time_ms(answer)


def test_every_symbol_has_two_streams_in_lower_case_and_one_more_for_the_book() -> None:
    """As Binance names them."""
    assert stream_names(("BTCUSDT", "ETHUSDT"))[2:] == ["ethusdt@aggTrade", "ethusdt@bookTicker"]
    assert stream_names(("BTCUSDT",), book=True)[2:] == ["btcusdt@depth20@100ms"]
