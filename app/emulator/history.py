"""Queries of REST about past trades and klines; no answer holds anything later than the exchange's now."""

from __future__ import annotations

from collections.abc import Iterator

from app.emulator.columns import TradeColumns, concatenate
from app.emulator.klines import INTERVALS_MS, kline_rows
from app.emulator.market_source import MarketSource

LATEST_MS = 2**52


def trades_from_id(source: MarketSource, symbol: str, trade_id: int, limit: int, now_us: int) -> TradeColumns:
    """Return the first `limit` trades with this id or a later one."""
    pieces = _until_now(source, symbol, source.search_start_ms(symbol, trade_id), LATEST_MS, now_us)
    return _first((piece.select(piece.ids >= trade_id) for piece in pieces), limit)


def trades_between(
    source: MarketSource, symbol: str, *, start_ms: int | None, end_ms: int | None, limit: int, now_us: int
) -> TradeColumns:
    """Return trades with start ≤ T ≤ end: the first `limit` if a start is given, else the last `limit`."""
    after_ms = LATEST_MS if end_ms is None else end_ms + 1
    if start_ms is not None:
        return _first(_until_now(source, symbol, start_ms, after_ms, now_us), limit)
    return _last(_until_now(source, symbol, 0, after_ms, now_us, backward=True), limit)


def klines(
    source: MarketSource,
    symbol: str,
    interval: str,
    *,
    start_ms: int | None,
    end_ms: int | None,
    limit: int,
    now_us: int,
) -> list[list[object]]:
    """Return klines that open in start … end, the one now open included; `interval` is a key of INTERVALS_MS."""
    interval_ms = INTERVALS_MS[interval]
    now_ms = now_us // 1000
    last_ms = (now_ms if end_ms is None else min(end_ms, now_ms)) // interval_ms * interval_ms
    first_ms = last_ms - (limit - 1) * interval_ms
    if start_ms is not None:
        # A start before the first trade means the first kline there is.
        first_ms = max(-(-start_ms // interval_ms), source.first_trade_ms(symbol) // interval_ms) * interval_ms
        last_ms = min(last_ms, first_ms + (limit - 1) * interval_ms)
    if last_ms < first_ms:
        return []
    trades = concatenate(list(_until_now(source, symbol, first_ms, last_ms + interval_ms, now_us)))
    before = _last(_until_now(source, symbol, 0, first_ms, now_us, backward=True), 1)
    price = int(before.ticks[-1]) if len(before) else None
    return kline_rows(trades, source.scale(symbol), interval_ms, first_ms=first_ms, last_ms=last_ms, before=price)


def _until_now(
    source: MarketSource, symbol: str, start_ms: int, end_ms: int, now_us: int, *, backward: bool = False
) -> Iterator[TradeColumns]:
    """Yield past trades in pieces; a trade that the stream has not sent yet is not past."""
    for piece in source.past_trades(symbol, start_ms, min(end_ms, now_us // 1000 + 1), backward=backward):
        yield piece.select(piece.due_us < now_us)


def _first(pieces: Iterator[TradeColumns], limit: int) -> TradeColumns:
    return concatenate(list(_enough(pieces, limit))).select(slice(0, limit))


def _last(pieces: Iterator[TradeColumns], limit: int) -> TradeColumns:
    trades = concatenate(list(_enough(pieces, limit))[::-1])
    return trades.select(slice(max(0, len(trades) - limit), None))


def _enough(pieces: Iterator[TradeColumns], limit: int) -> Iterator[TradeColumns]:
    found = 0
    for piece in pieces:
        yield piece
        found += len(piece)
        if found >= limit:
            return
