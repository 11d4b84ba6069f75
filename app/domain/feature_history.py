"""Features of history: bars and features of every second from klines or bars, bit-equal to those computed live."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from app.domain import features
from app.domain.bar_window import WINDOW_S, BarWindow, planes
from app.domain.bars import (
    CHANNELS,
    MAX_VALUE,
    MIN_VALUE,
    Channel,
    Floats,
    Ints,
    Mask,
    reference_price,
    set_returns,
    update_usual_variance,
)

_CHUNK = 256  # windows copied at once: 8 MB, about the size of a core's cache


class FeatureHistory(NamedTuple):
    """Features, price and volatility of each second of one symbol, T rows."""

    features: NDArray[np.float32]  # [T, F], columns in the order of `features.NAMES`
    mid: Floats  # [T]: the mid, the last trade where nothing is quoted; 0: absent, unpriced or in a quote outage
    volatility: Floats  # [T], of the log mid, per square root of a second
    valid: Mask  # [T]: priced, warmed up, no gap in the window


def feature_matrix(bars: Floats, window_s: int = WINDOW_S) -> FeatureHistory:
    """Return features, price and volatility of every second of `bars`, float64 [T, C], rows one second apart."""
    terms = planes(bars)
    padded = np.concatenate([np.zeros((len(terms), window_s)), terms], axis=1)
    windows = sliding_window_view(padded, window_s, axis=1)[:, 1:]  # [P, T, W], a view: never copy the whole
    table = np.zeros((len(bars), len(features.NAMES)), np.float32)
    volatility, warm = np.zeros(len(bars)), np.zeros(len(bars), np.bool_)
    for start in range(0, len(bars), _CHUNK):
        part = slice(start, start + _CHUNK)
        view = BarWindow(np.ascontiguousarray(windows[:, part]), bars[part])
        table[part], volatility[part] = features.compute(view)
        warm[part] = ~(view.is_warming_up() | view.has_gap())
    price = np.where(bars[:, Channel.QUOTE_OUTAGE] > 0, 0.0, reference_price(bars))
    return FeatureHistory(table, price, volatility, warm & (price > 0) & (bars[:, Channel.PRESENT] > 0))


def bars_of_klines(rows: Sequence[Sequence[Any]]) -> Floats:
    """Return bars, float64 [T, C], from one-second klines of Binance, from the first to the last second; no quotes.

    A row is [open time ms, open, high, low, close, volume, close time, quote volume, trades, taker buy volume, taker
    buy quote volume, ignored]. Rows may come in any order; of two with the same time the first counts; a row with an
    impossible number leaves its second absent.

    >>> row = [1499040000000, "1.0", "4.0", "0.5", "2.0", "10.0", 1499040000999, "20.0", 7, "6.0", "12.0", "0"]
    >>> bars_of_klines([row])[0, [Channel.PRICE, Channel.HIGH, Channel.TRADES, Channel.BUY_VOLUME]].tolist()
    [2.0, 4.0, 7.0, 6.0]

    Raises:
        ValueError: rows are not klines of 12 columns.

    """
    if not len(rows):
        return np.zeros((0, len(CHANNELS)))
    try:
        table = np.array([list(row)[:11] for row in rows], dtype=np.float64).reshape(len(rows), 11)
    except (ValueError, TypeError) as error:
        raise ValueError(f"klines: rows of 12 numbers are needed, as /api/v3/klines sends them: {error}") from None
    second, first = np.unique(table[_is_valid(table), 0] // 1000, return_index=True)
    return on_second_grid(second.astype(np.int64), _kline_bars(table[_is_valid(table)][first], second.astype(np.int64)))


def on_second_grid(second: Ints, bars: Floats) -> Floats:
    """Return bars [N, C] of rising seconds [N] on a grid of every second, [T, C]; zeros in missing seconds."""
    if not len(second):
        return np.zeros((0, len(CHANNELS)))
    grid = np.zeros((int(second[-1] - second[0]) + 1, len(CHANNELS)))
    grid[second - second[0]] = bars
    return grid


def _is_valid(table: Floats) -> Mask:
    prices, sizes = table[:, 1:5], table[:, [5, 7, 8, 9]]
    rising = (table[:, 3] <= table[:, 2]) & (table[:, 9] <= table[:, 5])
    return np.asarray(
        np.isfinite(table[:, 0])
        & ((prices >= MIN_VALUE) & (prices <= MAX_VALUE)).all(axis=1)
        & ((sizes >= 0) & (sizes <= MAX_VALUE)).all(axis=1)
        & rising
    )


def _kline_bars(table: Floats, second: Ints) -> Floats:
    """Return one bar per row [N, C], returns and variance computed from the bar before as `windows` does."""
    bars = np.zeros((len(table), len(CHANNELS)))
    columns = [Channel.PRICE, Channel.HIGH, Channel.LOW, Channel.VOLUME, Channel.BUY_VOLUME, Channel.NOTIONAL]
    bars[:, [*columns, Channel.TRADES]] = table[:, [4, 2, 3, 5, 9, 7, 8]]
    bars[:, [Channel.TRADED, Channel.PRESENT]] = 1.0
    latest = np.maximum.accumulate(np.where(table[:, 8] > 0, second, second[:1]))
    bars[:, Channel.SINCE_TRADE_S] = second - latest
    previous = np.concatenate([np.zeros_like(bars[:1]), bars[:-1]])
    elapsed_s = np.diff(second, prepend=second[:1])
    elapsed_s = np.where(elapsed_s < WINDOW_S, elapsed_s, 0)
    set_returns(bars, previous, elapsed_s)
    for row in range(1, len(bars)):  # each needs the result of the one before
        update_usual_variance(bars[row : row + 1], bars[row - 1 : row], elapsed_s[row : row + 1])
    return bars
