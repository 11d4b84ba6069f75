"""Binance's top 20 levels of the order book and their decoding; pure functions."""

from math import isfinite

import msgspec

from app.collector.binance_numbers import MalformedError, count
from app.collector.receipt import Receipt
from app.domain.decimals import LONGEST_SAFE, Exact, inexact
from app.records import Book

Levels = list[tuple[str, str]]  # price and size, the best one first
COLUMNS = ("bid", "bid_size", "ask", "ask_size")


class _Depth(msgspec.Struct, rename={"last_update_id": "lastUpdateId"}):
    """The top levels at the end of 100 ms; neither a time nor the symbol.

    `{"lastUpdateId":160,"bids":[["99566.42000000","3.12604000"],…],"asks":[["99566.43000000","2.90961000"],…]}`
    """

    last_update_id: int
    bids: Levels
    asks: Levels


_depth = msgspec.json.Decoder(_Depth)


def book_of(data: bytes | msgspec.Raw, time_ms: int, receipt: Receipt) -> Book:
    """Return a payload of `depth20@100ms` as a record, `time_ms` its exchange time.

    Raises:
        MalformedError: numbers that are none, or a book that is crossed or not in order.
        msgspec.DecodeError: another shape.

    """
    depth = _depth.decode(data)
    texts = (*_columns(depth.bids), *_columns(depth.asks))
    bid, bid_size, ask, ask_size = values = _numbers(texts)
    _check(bid, bid_size, ask, ask_size)
    return Book(
        time_ms=time_ms, update_id=count(depth.last_update_id), bid=bid, bid_size=bid_size, ask=ask, ask_size=ask_size,
        received_ns=receipt.ns, connection=receipt.connection, exact=_lost(texts, values),
    )  # fmt: skip


def _columns(levels: Levels) -> tuple[list[str], list[str]]:
    return [price for price, _ in levels], [size for _, size in levels]


def _numbers(texts: tuple[list[str], ...]) -> list[list[float]]:
    # As a whole, because eighty checks of single numbers take longer than everything else.
    try:
        values = [list(map(float, column)) for column in texts]
    except ValueError as error:
        raise MalformedError(str(error)) from None
    if not isfinite(sum(map(sum, values))):
        raise MalformedError("a level of the book is not finite")
    return values


def _check(bid: list[float], bid_size: list[float], ask: list[float], ask_size: list[float]) -> None:
    if min(bid, default=1.0) <= 0 or min(ask, default=1.0) <= 0 or min(*bid_size, *ask_size, 0.0, 0.0) < 0:
        raise MalformedError("a level of the book is not above zero")
    if bid != sorted(bid, reverse=True) or ask != sorted(ask) or (bid and ask and bid[0] > ask[0]):
        raise MalformedError("the book is crossed or not in order")


def _lost(texts: tuple[list[str], ...], values: list[list[float]]) -> Exact:
    if max(max(map(len, column), default=0) for column in texts) <= LONGEST_SAFE:
        return []
    columns = zip(COLUMNS, texts, values, strict=True)
    return [lost for column, its_texts, its_values in columns for lost in inexact(column, its_texts, its_values)]
