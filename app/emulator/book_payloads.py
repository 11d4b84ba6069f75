"""Payloads of the order book: `depth20@100ms`, diff `depth@100ms` and REST `depth`."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise

import msgspec
import numpy as np

from app.emulator.columns import Ints, Scale, format_decimal
from app.emulator.market_source import DEPTH, DEPTH20, Event, Level, OrderBook
from app.emulator.payloads import stream_name
from app.emulator.synthetic_book import SLOT_US, BookColumns


def book_of(scale: Scale, books: BookColumns, row: int) -> OrderBook:
    """Return one row of the columns."""
    bids = _side(scale, books.bid_ticks[row], books.bid_lots[row])
    asks = _side(scale, books.ask_ticks[row], books.ask_lots[row])
    return OrderBook(int(books.update_ids[row]), bids, asks)


def depth20_data(book: OrderBook) -> bytes:
    """{"lastUpdateId":160,"bids":[["0.0024","10"]],"asks":[["0.0026","100"]]}"""
    return msgspec.json.encode({"lastUpdateId": book.update_id, "bids": book.bids[:20], "asks": book.asks[:20]})


def depth20_events(symbol: str, scale: Scale, books: BookColumns, start_us: int, end_us: int) -> Iterator[Event]:
    """Yield the top 20 at the end of each 100 ms in [start, end) in which the book changed."""
    for due_us, _, last in _slots(books, start_us, end_us):
        book = book_of(scale, books, last)
        yield Event(due_us, symbol, DEPTH20, book.update_id, stream_name(symbol, DEPTH20), depth20_data(book))


def depth_events(symbol: str, scale: Scale, books: BookColumns, start_us: int, end_us: int) -> Iterator[Event]:
    """Yield what changed in each 100 ms that ends in [start, end): every level touched, with its size at the end.

    The books must begin with the last one before the first slot. `U` follows the `u` of the slot before.
    """
    for due_us, first, last in _slots(books, start_us, end_us):
        before = max(0, first - 1)
        data = {
            "e": "depthUpdate",
            "E": due_us // 1000,
            "s": symbol,
            "U": int(books.update_ids[before]) + 1,
            "u": int(books.update_ids[last]),
            "b": _changes(scale, books.bid_ticks[before : last + 1], books.bid_lots[before : last + 1], -1),
            "a": _changes(scale, books.ask_ticks[before : last + 1], books.ask_lots[before : last + 1], 1),
        }
        yield Event(due_us, symbol, DEPTH, data["u"], stream_name(symbol, DEPTH), msgspec.json.encode(data))  # type: ignore[arg-type]


def _slots(books: BookColumns, start_us: int, end_us: int) -> Iterator[tuple[int, int, int]]:
    """Yield (end of the slot, its first row, its last row) of every slot with a row that ends in [start, end)."""
    ends = np.arange(-(-start_us // SLOT_US), -(-end_us // SLOT_US)) * SLOT_US
    firsts, nexts = np.searchsorted(books.due_us, ends - SLOT_US), np.searchsorted(books.due_us, ends)
    for due_us, first, after in zip(ends.tolist(), firsts.tolist(), nexts.tolist(), strict=True):
        if after > first:
            yield due_us, first, after - 1


def _changes(scale: Scale, ticks: Ints, lots: Ints, order: int) -> list[Level]:
    """Return the levels touched between the first row and the last, best first; size 0: no longer there."""
    rows = [set(zip(*row, strict=True)) for row in zip(ticks.tolist(), lots.tolist(), strict=True)]
    touched = {price for one, other in pairwise(rows) for price, _ in one ^ other}
    left = dict(rows[-1])
    prices = sorted(touched, key=lambda price: order * price)
    return _levels(scale, prices, [left.get(price, 0) for price in prices])


def _levels(scale: Scale, ticks: list[int], lots: list[int]) -> list[Level]:
    return list(zip(map(scale.price, ticks), map(scale.qty, lots), strict=True))


def _side(scale: Scale, ticks: Ints, lots: Ints) -> list[Level]:
    price_decimals, qty_decimals = scale.price_decimals, scale.qty_decimals
    return [_level(price_decimals, qty_decimals, *level) for level in zip(ticks.tolist(), lots.tolist(), strict=True)]


@lru_cache(1 << 14)  # nine tenths of a book's levels stay as they are for the next 100 ms
def _level(price_decimals: int, qty_decimals: int, ticks: int, lots: int) -> Level:
    return format_decimal(ticks, price_decimals), format_decimal(lots, qty_decimals)
