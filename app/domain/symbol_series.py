"""The history of one symbol second by second, and the training examples in it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from app.domain.examples import Examples
from app.domain.forecast import Floats, Mask, Rows
from app.domain.labels import forward_returns, standardise


@dataclass(frozen=True)
class SymbolSeries:
    """T consecutive seconds of one symbol; a missing second is a row that is not `present`."""

    symbol: str
    start: int  # exchange time of the first row, epoch seconds
    features: Rows  # [T, F]
    mid: Floats  # [T]; the last trade's price in klines
    volatility: Floats  # [T], log mid per √s
    present: Mask  # [T]
    usable: Mask  # [T], rows to learn from: their window is warmed up and without gaps
    mids: bool = True  # false: prices are last trades

    @property
    def end(self) -> int:
        """Exchange time after the last row."""
        return self.start + len(self.mid)

    def until(self, second: int) -> "SymbolSeries":
        """Return the rows before `second`."""
        rows = slice(0, max(0, second - self.start))
        return replace(
            self, features=self.features[rows], mid=self.mid[rows], volatility=self.volatility[rows],
            present=self.present[rows], usable=self.usable[rows],
        )  # fmt: skip


def examples_of(series: SymbolSeries, number: int, horizons_s: Sequence[int], stride: int = 1) -> Examples:
    """Return every `stride`-th usable second with at least one outcome; `number` identifies the symbol."""
    returns, exists = forward_returns(series.mid, series.present, horizons_s)
    z, known = standardise(returns, series.volatility, horizons_s)
    mask = exists & known & series.usable[:, None]
    second = np.arange(series.start, series.end)
    chosen = mask.any(axis=1) & (second % stride == 0)
    rows = (series.features, series.volatility, z, mask, second, np.full(len(second), number))
    return Examples(*(column[chosen] for column in rows))


def time_span(history: Iterable[SymbolSeries]) -> tuple[int, int]:
    """Return the exchange time [start, end) that several series cover."""
    known = list(history)
    return min(series.start for series in known), max(series.end for series in known)
