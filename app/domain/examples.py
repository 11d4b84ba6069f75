"""Training examples: features, volatility and targets as rows, of any number of symbols."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from app.domain.forecast import Floats, Mask, Rows, Seconds


@dataclass(frozen=True)
class Examples:
    """Rows to fit or evaluate a model on, of any number of symbols; N rows, F features, H horizons."""

    features: Rows  # [N, F]
    volatility: Floats  # [N], log mid per √s
    z: Floats  # [N, H], return over volatility·√h
    mask: Mask  # [N, H], the targets that exist
    second: Seconds  # [N], exchange time
    symbol: Seconds  # [N], the number of the symbol

    def __len__(self) -> int:
        return len(self.second)

    @property
    def mean_volatility(self) -> Floats:
        """The mean volatility [N] of each row's symbol."""
        count = np.maximum(np.bincount(self.symbol), 1)
        mean: Floats = (np.bincount(self.symbol, self.volatility) / count)[self.symbol]
        return mean

    @property
    def relative_volatility(self) -> Floats:
        """Volatility over the symbol's mean volatility [N], at most 3: the weight of an error of z in log returns."""
        return np.minimum(self.volatility / np.maximum(self.mean_volatility, 1e-300), 3.0)

    def where(self, chosen: Mask) -> "Examples":
        """Return the rows that `chosen` [N] selects."""
        return Examples(*(getattr(self, column.name)[chosen] for column in fields(self)))


def concatenated(parts: Sequence[Examples]) -> Examples:
    """Return the rows of all parts, one after the other."""
    return Examples(*(np.concatenate([getattr(part, c.name) for part in parts]) for c in fields(Examples)))
