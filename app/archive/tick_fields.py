"""Trades, quotes and the book of one symbol's second as the fields of the archive's structs."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import msgspec

from app.domain.decimals import Exact
from app.records import Book, Quotes, Trades

SIDES = ("bid", "bid_size", "ask", "ask_size")


def trade_fields(trades: Trades) -> SimpleNamespace:
    """Return one list per field of TRADE; raises ValueError where columns differ in length or `exact` names no row."""
    rows = len(trades.id)
    fields = _columns(trades, ("first_id", "last_id", "received_ns", "connection"), rows)
    fields["time_us"] = [None] * rows
    if trades.microsecond:
        times = zip(trades.time_ms, trades.microsecond, strict=True)
        fields["time_us"] = [time_ms * 1000 + microsecond for time_ms, microsecond in times]
    return SimpleNamespace(**fields, **_exact(trades.exact, ("price", "quantity"), rows))


def quote_fields(quotes: Quotes) -> SimpleNamespace:
    """Return one list per field of QUOTE; raises ValueError where columns differ in length or `exact` names no row."""
    rows = len(quotes.time_ms)
    fields = _columns(quotes, ("update_id", "received_ns", "connection"), rows)
    return SimpleNamespace(**fields, **_exact(quotes.exact, SIDES, rows))


def book_fields(book: Book | None) -> dict[str, Any] | None:
    """Return the fields of BOOK; raises ValueError where prices and sizes of a side differ in number."""
    if book is None:
        return None
    if len(book.bid) != len(book.bid_size) or len(book.ask) != len(book.ask_size):
        raise ValueError("book: columns of different lengths")
    exact = [{"column": column, "level": level, "number": number} for column, level, number in book.exact]
    return msgspec.structs.asdict(book) | {"exact": exact}


def _columns(record: Trades | Quotes, added: Sequence[str], rows: int) -> dict[str, list[Any]]:
    """Return every column but `exact`; those that older collectors did not write are null."""
    columns = {name: values for name, values in msgspec.structs.asdict(record).items() if name != "exact"}
    return columns | {name: [None] * rows for name in added if not columns[name]}


def _exact(exact: Exact, names: Sequence[str], rows: int) -> dict[str, list[str | None]]:
    columns: dict[str, list[str | None]] = {f"{name}_exact": [None] * rows for name in names}
    for name, row, number in exact:
        if f"{name}_exact" not in columns or not 0 <= row < rows:
            raise ValueError(f"exact: {name} {row} does not exist")
        columns[f"{name}_exact"][row] = number
    return columns
