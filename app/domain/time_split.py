"""Splits by time into train, validation and test blocks, purged and with an embargo between them.

A target looks `horizon` seconds ahead and a feature row `window` seconds back, so neighbouring rows share data.
Targets that would end beyond their block are purged, and blocks lie a window apart: rows of one and targets of the
other are at least `horizon + window` seconds apart (López de Prado, Advances in Financial Machine Learning, 2018,
ch. 7), and no target of one block is computed from seconds that a feature of the next sees.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from app.domain.examples import Examples


@dataclass(frozen=True)
class TimeSplit:
    """Three blocks of exchange time, each [start, end) in epoch seconds, an embargo between them."""

    train: tuple[int, int]
    validation: tuple[int, int]
    test: tuple[int, int]


def split_by_time(start: int, end: int, embargo_s: int, shares: tuple[float, float] = (0.65, 0.15)) -> TimeSplit:
    """Split [start, end) into train, validation and test, `embargo_s` (≥ the features' window) apart.

    `shares` are those of train and validation; test gets the rest.

    Raises:
        ValueError: a block would be empty.

    """
    usable = end - start - 2 * embargo_s
    train, validation = int(usable * shares[0]), int(usable * shares[1])
    if min(train, validation, usable - train - validation) < 1:
        raise ValueError(f"{end - start} s are too few for three blocks with {embargo_s} s between them")
    second = start + train + embargo_s
    third = second + validation + embargo_s
    return TimeSplit((start, start + train), (second, second + validation), (third, end))


def purged(rows: Examples, block: tuple[int, int], horizons_s: Sequence[int]) -> Examples:
    """Return the rows of a block of time [start, end), without outcomes that lie beyond its end."""
    inside = rows.where((rows.second >= block[0]) & (rows.second < block[1]))
    mask = inside.mask & (inside.second[:, None] + np.asarray(horizons_s) < block[1])
    return replace(inside, mask=mask).where(mask.any(axis=1))
