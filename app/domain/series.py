"""One symbol's history, second by second. What enters: arrays by second; what leaves: examples to learn from."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from app.domain.forecast import Floats, Mask, Rows
from app.domain.labels import Examples, forward_returns, standardise


@dataclass(frozen=True)
class Series:
    """T consecutive seconds of one symbol; a second that never came is a row that is not `present`."""

    symbol: str
    start: int  # exchange time of the first row, epoch seconds
    features: Rows  # [T, F]
    mid: Floats  # [T]; the last trade's price in klines
    volatility: Floats  # [T], log mid per √s
    present: Mask  # [T]
    usable: Mask  # [T], rows that may be learnt from: the window before them is warm and whole
    mids: bool = True  # false: prices are last trades

    @property
    def end(self) -> int:
        """Exchange time after the last row."""
        return self.start + len(self.mid)

    def before(self, second: int) -> "Series":
        """Return the part that ended before `second`."""
        rows = slice(0, max(0, second - self.start))
        return replace(
            self, features=self.features[rows], mid=self.mid[rows], volatility=self.volatility[rows],
            present=self.present[rows], usable=self.usable[rows],
        )  # fmt: skip


def examples(series: Series, number: int, horizons_s: Sequence[int], stride: int = 1) -> Examples:
    """Return every `stride`-th usable second with at least one outcome; `number` stands for the symbol."""
    returns, seen = forward_returns(series.mid, series.present, horizons_s)
    z, known = standardise(returns, series.volatility, horizons_s)
    mask = seen & known & series.usable[:, None]
    second = np.arange(series.start, series.end)
    chosen = mask.any(axis=1) & (second % stride == 0)
    rows = (series.features, series.volatility, z, mask, second, np.full(len(second), number))
    return Examples(*(column[chosen] for column in rows))


def span(history: Iterable[Series]) -> tuple[int, int]:
    """Return the exchange time [start, end) that several series cover."""
    known = list(history)
    return min(series.start for series in known), max(series.end for series in known)
