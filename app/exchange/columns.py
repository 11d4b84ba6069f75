"""Trades and quotes of one symbol as integer columns; enters: numpy arrays; leaves: also Binance's decimal strings.

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
        """6000012 → "60000.12000000"."""
        return fixed(ticks, self.price_decimals)

    def qty(self, lots: int) -> str:
        """56 → "0.00056000"."""
        return fixed(lots, self.qty_decimals)

    def turnover(self, ticks_lots: int) -> str:
        """Return a sum of price × quantity, in quote currency."""
        return fixed(ticks_lots, self.price_decimals + self.qty_decimals)


@dataclass(frozen=True, slots=True)
class TradeColumns:
    """Trades of one symbol in the order of their ids, one array per column, all of one length."""

    ids: Ints
    due_us: Ints  # when the exchange sends it, epoch µs on the exchange's clock
    time_ms: Ints  # trade time `T`, epoch ms
    ticks: Ints
    lots: Ints
    buyer_maker: Bools  # `m`: the taker sold

    def __len__(self) -> int:
        return len(self.ids)

    def where(self, index: slice | Bools | Ints) -> TradeColumns:
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

    def where(self, index: slice | Bools | Ints) -> QuoteColumns:
        """Return the rows that `index` selects."""
        return QuoteColumns(*(getattr(self, column.name)[index] for column in fields(self)))


def no_trades() -> TradeColumns:
    """Trades of length zero."""
    none = np.empty(0, np.int64)
    return TradeColumns(none, none, none, none, none, np.empty(0, np.bool_))


def join(parts: list[TradeColumns]) -> TradeColumns:
    """Return the parts in one, in the order given."""
    if not parts:
        return no_trades()
    columns = (np.concatenate([getattr(part, column.name) for part in parts]) for column in fields(TradeColumns))
    return TradeColumns(*columns)


def fixed(value: int, decimals: int) -> str:
    """`value` · 10^−`decimals` in Binance's notation, eight decimals; digits beyond the eighth are cut off.

    >>> fixed(6000012, 2)
    '60000.12000000'
    """
    if decimals > BINANCE_DECIMALS:
        value, decimals = value // 10 ** (decimals - BINANCE_DECIMALS), BINANCE_DECIMALS
    whole, part = divmod(value, 10**decimals)
    return f"{whole}.{part * 10 ** (BINANCE_DECIMALS - decimals):08d}"
