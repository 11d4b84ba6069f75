"""Klines aggregated from trades, as Binance's rows of twelve columns."""

from __future__ import annotations

import numpy as np

from app.emulator.columns import Ints, Scale, TradeColumns

INTERVALS_MS = {"1s": 1_000, "1m": 60_000, "3m": 180_000, "5m": 300_000}


def kline_rows(
    trades: TradeColumns, scale: Scale, interval_ms: int, *, first_ms: int, last_ms: int, before: int | None
) -> list[list[object]]:
    """Return one row per opening time first_ms … last_ms (multiples of the interval), as Binance sends them.

    An interval without a trade is flat at the last price; `before` is that price in ticks at the beginning. Without
    it, rows begin with the first trade.
    """
    rows: list[list[object]] = []
    opened = _by_interval(trades, interval_ms)
    for open_ms in range(first_ms, last_ms + 1, interval_ms):
        sums = opened.get(open_ms)
        if sums is None and before is not None:
            sums = (before, before, before, before, 0, 0, 0, 0, 0)
        if sums is not None:
            rows.append(_row(open_ms, interval_ms, sums, scale))
            before = sums[3]
    return rows


def _by_interval(trades: TradeColumns, interval_ms: int) -> dict[int, tuple[int, ...]]:
    """Return by opening time: open, high, low, close, volume, turnover, count, taker-buy volume and turnover."""
    if not len(trades):
        return {}
    opens: Ints = trades.time_ms // interval_ms * interval_ms
    starts = np.flatnonzero(np.r_[True, opens[1:] != opens[:-1]])
    ends = np.r_[starts[1:], len(opens)]
    turnover = trades.ticks * trades.lots
    bought = ~trades.buyer_maker
    columns = (
        trades.ticks[starts],
        np.maximum.reduceat(trades.ticks, starts),
        np.minimum.reduceat(trades.ticks, starts),
        trades.ticks[ends - 1],
        np.add.reduceat(trades.lots, starts),
        np.add.reduceat(turnover, starts),
        ends - starts,
        np.add.reduceat(trades.lots * bought, starts),
        np.add.reduceat(turnover * bought, starts),
    )
    return dict(zip(opens[starts].tolist(), zip(*(c.tolist() for c in columns), strict=True), strict=True))


def _row(open_ms: int, interval_ms: int, sums: tuple[int, ...], scale: Scale) -> list[object]:
    # [1733561823000,"99512.02…","99512.02…","99512.01…","99512.02…","0.00701…",1733561823999,
    #  "697.57925570",4,"0.00656000","652.79884320","0"]
    opened, high, low, close, volume, turnover, count, bought, bought_turnover = sums
    return [
        open_ms,
        *(scale.price(ticks) for ticks in (opened, high, low, close)),
        scale.qty(volume),
        open_ms + interval_ms - 1,
        scale.turnover(turnover),
        count,
        scale.qty(bought),
        scale.turnover(bought_turnover),
        "0",
    ]
