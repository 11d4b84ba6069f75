"""REST's questions about the past; enters: a source and now; leaves: nothing later than now, at most 1,000 rows."""

from __future__ import annotations

from collections.abc import Iterator

from app.exchange.columns import TradeColumns, join
from app.exchange.klines import INTERVALS_MS, kline_rows
from app.exchange.source import MarketSource

LATEST_MS = 2**52


def trades_from_id(source: MarketSource, symbol: str, trade_id: int, limit: int, now_us: int) -> TradeColumns:
    """Return the first `limit` trades with this id or a later one."""
    pieces = _until_now(source, symbol, source.since_ms(symbol, trade_id), LATEST_MS, now_us)
    return _first((piece.where(piece.ids >= trade_id) for piece in pieces), limit)


def trades_between(
    source: MarketSource, symbol: str, *, start_ms: int | None, end_ms: int | None, limit: int, now_us: int
) -> TradeColumns:
    """Trades with start ≤ T ≤ end: the first `limit` from a given start on, else the last ones."""
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
    """Klines that open in start … end, the one now open included; `interval` is a key of INTERVALS_MS."""
    interval_ms = INTERVALS_MS[interval]
    now_ms = now_us // 1000
    last_ms = (now_ms if end_ms is None else min(end_ms, now_ms)) // interval_ms * interval_ms
    first_ms = last_ms - (limit - 1) * interval_ms
    if start_ms is not None:
        # A start before the first trade means the first kline there is.
        first_ms = max(-(-start_ms // interval_ms), source.begins_ms(symbol) // interval_ms) * interval_ms
        last_ms = min(last_ms, first_ms + (limit - 1) * interval_ms)
    if last_ms < first_ms:
        return []
    trades = join(list(_until_now(source, symbol, first_ms, last_ms + interval_ms, now_us)))
    before = _last(_until_now(source, symbol, 0, first_ms, now_us, backward=True), 1)
    price = int(before.ticks[-1]) if len(before) else None
    return kline_rows(trades, source.scale(symbol), interval_ms, first_ms=first_ms, last_ms=last_ms, before=price)


def _until_now(
    source: MarketSource, symbol: str, start_ms: int, end_ms: int, now_us: int, *, backward: bool = False
) -> Iterator[TradeColumns]:
    """Pieces of the past; a trade that the stream is yet to send is not past."""
    for piece in source.past(symbol, start_ms, min(end_ms, now_us // 1000 + 1), backward=backward):
        yield piece.where(piece.due_us < now_us)


def _first(pieces: Iterator[TradeColumns], limit: int) -> TradeColumns:
    return join(list(_enough(pieces, limit))).where(slice(0, limit))


def _last(pieces: Iterator[TradeColumns], limit: int) -> TradeColumns:
    trades = join(list(_enough(pieces, limit))[::-1])
    return trades.where(slice(max(0, len(trades) - limit), None))


def _enough(pieces: Iterator[TradeColumns], limit: int) -> Iterator[TradeColumns]:
    found = 0
    for piece in pieces:
        yield piece
        found += len(piece)
        if found >= limit:
            return
