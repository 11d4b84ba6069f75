"""Binance's JSON payloads."""

import json

import numpy as np

from app.emulator.columns import QuoteColumns, Scale, TradeColumns
from app.emulator.payloads import agg_trade_events, agg_trade_rows, combined_payload, quote_events, trade_events

SCALE = Scale(2, 5)


def column(value: int) -> np.ndarray:
    return np.array([value], np.int64)


TRADES = TradeColumns(
    column(7),
    column(1680652800000123),
    column(1680652799999),
    column(2816547),
    column(56),
    np.array([True]),
    column(321),
)
QUOTES = QuoteColumns(column(9), column(5), column(2816547), column(798680), column(2816548), column(326888))


def test_a_trade_has_the_documented_fields() -> None:
    """An aggregate holds one trade; event time is the due time, trade time its own."""
    (event,) = agg_trade_events("BTCUSDT", SCALE, TRADES)
    assert json.loads(event.data) == {
        "e": "aggTrade", "E": 1680652800000, "s": "BTCUSDT", "a": 7, "p": "28165.47000000", "q": "0.00056000",
        "f": 7, "l": 7, "T": 1680652799999, "m": True, "M": True,
    }  # fmt: skip
    assert (event.stream, event.key, event.due_us) == ("btcusdt@aggTrade", 7, 1680652800000123)


def test_streams_and_rest_agree_on_a_trade() -> None:
    """REST's row has the same values as the aggregate and the raw trade."""
    (aggregate,), (raw,) = agg_trade_events("BTCUSDT", SCALE, TRADES), trade_events("BTCUSDT", SCALE, TRADES)
    (row,) = agg_trade_rows(SCALE, TRADES)
    assert row == {name: json.loads(aggregate.data)[name] for name in "apqflTmM"}
    (fine,) = agg_trade_rows(SCALE, TRADES, microseconds=True)
    assert fine == row | {"T": 1680652799999321}
    assert {name: json.loads(raw.data)[name] for name in "pqTmM"} == {name: row[name] for name in "pqTmM"}
    assert json.loads(raw.data)["t"] == row["a"]


def test_a_quote_carries_no_time() -> None:
    """Best bid and ask with their sizes, under the update id."""
    (event,) = quote_events("BTCUSDT", SCALE, QUOTES)
    assert json.loads(event.data) == {
        "u": 9, "s": "BTCUSDT", "b": "28165.47000000", "B": "7.98680000", "a": "28165.48000000", "A": "3.26888000",
    }  # fmt: skip


def test_a_combined_payload_names_its_stream() -> None:
    """The payload itself is unchanged."""
    (event,) = quote_events("BTCUSDT", SCALE, QUOTES)
    assert json.loads(combined_payload(event.stream, event.data)) == {
        "stream": "btcusdt@bookTicker",
        "data": json.loads(event.data),
    }
