"""What really happened next. What enters: mids on a grid of seconds; what leaves: targets, masks and a clean split.

A target looks `horizon` seconds ahead and a feature row `window` seconds back, so neighbouring rows share data.
Targets that would end beyond their block are purged, and blocks lie a window apart: rows of one and targets of the
other are at least `horizon + window` seconds apart (López de Prado, Advances in Financial Machine Learning, 2018,
ch. 7), and no target of one block is made of seconds that a feature of the next sees.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from app.domain.forecast import Floats, Mask, Rows, Seconds, unit


def forward_returns(mid: Floats, present: Mask, horizons_s: Sequence[int]) -> tuple[Floats, Mask]:
    """Return log returns [T, H] from each second to `h` seconds later, and the mask [T, H] of those that exist.

    `mid` [T] and `present` [T] lie on a grid of consecutive seconds. A return exists where both mids do and every
    second between them is present: nothing is measured across a gap. Elsewhere it is 0.
    """
    seconds = len(mid)
    priced = present & np.isfinite(mid) & (mid > 0)
    log_mid = np.log(np.where(priced, mid, 1.0))
    absent = np.concatenate([[0], np.cumsum(~present)])
    returns = np.zeros((seconds, len(horizons_s)))
    mask = np.zeros((seconds, len(horizons_s)), bool)
    for column, horizon in enumerate(horizons_s):
        if horizon >= seconds:
            continue
        now, then = slice(0, seconds - horizon), slice(horizon, seconds)
        whole = absent[horizon + 1 :] == absent[: seconds - horizon]
        mask[now, column] = priced[now] & priced[then] & whole
        returns[now, column] = np.where(mask[now, column], log_mid[then] - log_mid[now], 0.0)
    return returns, mask


def standardise(returns: Floats, volatility: Floats, horizons_s: Sequence[int]) -> tuple[Floats, Mask]:
    """Return targets [T, H], returns over volatility·√h, and the mask [T, H] of those with a volatility above 0."""
    scale = unit(volatility, horizons_s)
    known = scale > 0
    return np.where(known, returns / np.where(known, scale, 1.0), 0.0), known


@dataclass(frozen=True)
class Split:
    """Three blocks of exchange time, each [start, end) in epoch seconds, an embargo between them."""

    train: tuple[int, int]
    validation: tuple[int, int]
    test: tuple[int, int]


def split(start: int, end: int, embargo_s: int, shares: tuple[float, float] = (0.65, 0.15)) -> Split:
    """Cut [start, end) into train, validation and test by time, `embargo_s` (≥ the features' window) apart.

    `shares` are those of train and validation; the test has the rest.

    Raises:
        ValueError: nothing would be left of a block.

    """
    usable = end - start - 2 * embargo_s
    train, validation = int(usable * shares[0]), int(usable * shares[1])
    if min(train, validation, usable - train - validation) < 1:
        raise ValueError(f"{end - start} s are too few for three blocks with {embargo_s} s between them")
    second = start + train + embargo_s
    third = second + validation + embargo_s
    return Split((start, start + train), (second, second + validation), (third, end))


def purged(rows: "Examples", block: tuple[int, int], horizons_s: Sequence[int]) -> "Examples":
    """Return the rows of a block of time [start, end), without outcomes that lie beyond its end."""
    inside = rows.where((rows.second >= block[0]) & (rows.second < block[1]))
    mask = inside.mask & (inside.second[:, None] + np.asarray(horizons_s) < block[1])
    return replace(inside, mask=mask).where(mask.any(axis=1))


@dataclass(frozen=True)
class Examples:
    """Rows to learn from or to be judged on, of any number of symbols; N rows, F features, H horizons."""

    features: Rows  # [N, F]
    volatility: Floats  # [N], log mid per √s
    z: Floats  # [N, H], return over volatility·√h
    mask: Mask  # [N, H], which of them exist
    second: Seconds  # [N], exchange time
    symbol: Seconds  # [N], number of the symbol

    def __len__(self) -> int:
        return len(self.second)

    @property
    def usual(self) -> Floats:
        """The mean volatility [N] of each row's symbol."""
        count = np.maximum(np.bincount(self.symbol), 1)
        mean: Floats = (np.bincount(self.symbol, self.volatility) / count)[self.symbol]
        return mean

    @property
    def liveliness(self) -> Floats:
        """Volatility over the symbol's usual one [N], at most 3: what an error of one unit of z costs in log return."""
        return np.minimum(self.volatility / np.maximum(self.usual, 1e-300), 3.0)

    def where(self, chosen: Mask) -> "Examples":
        """Return the rows that `chosen` [N] selects."""
        return Examples(*(getattr(self, column.name)[chosen] for column in fields(self)))


def join(parts: Sequence[Examples]) -> Examples:
    """Return the rows of all parts, one after the other."""
    return Examples(*(np.concatenate([getattr(part, c.name) for part in parts]) for c in fields(Examples)))
