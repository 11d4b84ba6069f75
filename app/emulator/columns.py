"""Trades and quotes of one symbol as columns of integers, and their notation in Binance's decimals.

Prices are whole multiples of `10 ** -price_decimals`, quantities of `10 ** -qty_decimals`, so sums are exact and a
kline equals the aggregation of its trades to the last digit.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

BINANCE_DECIMALS = 8


@dataclass(frozen=True, slots=True)
class Scale:
    """How many decimals the integers of a symbol carry: BTCUSDT is `Scale(2, 5)`: 6000012 is 60000.12 USDT."""

    price_decimals: int
    qty_decimals: int

    def price(self, ticks: int) -> str:
        """Return a price: 6000012 → "60000.12000000"."""
        return format_decimal(ticks, self.price_decimals)

    def qty(self, lots: int) -> str:
        """Return a quantity: 56 → "0.00056000"."""
        return format_decimal(lots, self.qty_decimals)

    def turnover(self, ticks_lots: int) -> str:
        """Return a sum of price × quantity in the quote currency: 157726632 → "15.77266320" for BTCUSDT."""
        return format_decimal(ticks_lots, self.price_decimals + self.qty_decimals)


@dataclass(frozen=True, slots=True)
class TradeColumns:
    """Trades of one symbol in the order of their ids, one array per column, all of one length."""

    ids: Ints
    due_us: Ints  # when the exchange sends it, epoch µs on the exchange's clock
    time_ms: Ints  # trade time `T`, epoch ms
    ticks: Ints
    lots: Ints
    buyer_maker: Bools  # `m`: the taker sold
    microsecond: Ints  # of `T`, 0 … 999

    def __len__(self) -> int:
        return len(self.ids)

    def select(self, index: slice | Bools | Ints) -> TradeColumns:
        """Return the rows that `index` selects."""
        return TradeColumns(*(getattr(self, column.name)[index] for column in fields(self)))


@dataclass(frozen=True, slots=True)
class QuoteColumns:
    """Best bid and ask of one symbol over time, one array per column, all of one length."""

    update_ids: Ints
    due_us: Ints
    bid_ticks: Ints
    bid_lots: Ints
    ask_ticks: Ints
    ask_lots: Ints

    def __len__(self) -> int:
        return len(self.update_ids)

    def select(self, index: slice | Bools | Ints) -> QuoteColumns:
        """Return the rows that `index` selects."""
        return QuoteColumns(*(getattr(self, column.name)[index] for column in fields(self)))


def empty_trades() -> TradeColumns:
    """Return columns without a row."""
    empty = np.empty(0, np.int64)
    return TradeColumns(empty, empty, empty, empty, empty, np.empty(0, np.bool_), empty)


def concatenate(parts: list[TradeColumns]) -> TradeColumns:
    """Return the parts one after another, in the order given."""
    if not parts:
        return empty_trades()
    columns = (np.concatenate([getattr(part, column.name) for part in parts]) for column in fields(TradeColumns))
    return TradeColumns(*columns)


def format_decimal(value: int, decimals: int) -> str:
    """Return `value` · 10^−`decimals` in Binance's notation, with eight decimals; further digits are cut off.

    >>> format_decimal(6000012, 2)
    '60000.12000000'
    """
    if decimals > BINANCE_DECIMALS:
        value, decimals = value // 10 ** (decimals - BINANCE_DECIMALS), BINANCE_DECIMALS
    whole, part = divmod(value, 10**decimals)
    return f"{whole}.{part * 10 ** (BINANCE_DECIMALS - decimals):08d}"
