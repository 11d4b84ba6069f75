"""The forecaster interface, quantile levels, the scale of a horizon and the pinball loss."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Rows = NDArray[np.float32]
Numbers = NDArray[np.floating[Any]]
Mask = NDArray[np.bool_]
Seconds = NDArray[np.int64]

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)  # the quantile levels of every forecast; the median is the middle one


class Forecaster(Protocol):
    """Turn feature rows [S, F] and volatility [S] (log mid, per √s) into a mean [S, H] and quantiles [S, H, Q]."""

    def __call__(self, features: Rows, volatility: Floats) -> tuple[Numbers, Numbers]:
        """Return mean and quantiles as log returns of the mid, volatility·√h already multiplied in."""


def horizon_volatility(volatility: Floats, horizons_s: Sequence[int]) -> Floats:
    """Return the volatility over each horizon, volatility·√h: [S, H]. Unknown volatility counts as 0.

    >>> horizon_volatility(np.array([0.001]), (4, 100)).tolist()
    [[0.002, 0.01]]
    """
    known = np.nan_to_num(np.maximum(volatility, 0.0), nan=0.0, posinf=0.0)
    scaled: Floats = known[:, None] * np.sqrt(np.asarray(horizons_s, np.float64))
    return scaled


def pinball_loss(z: Floats, quantiles: Floats, levels: Sequence[float] = LEVELS) -> Floats:
    """Return the pinball loss [...] of outcomes z [...], mean over the levels of quantiles [..., Q].

    Koenker & Bassett 1978: τ·(z − q) where z ≥ q, (1 − τ)·(q − z) elsewhere.

    >>> pinball_loss(np.array([1.0]), np.array([[0.0]]), (0.05,)).tolist()
    [0.05]
    """
    over, tau = z[..., None] - quantiles, np.asarray(levels)
    loss: Floats = np.maximum(tau * over, (tau - 1.0) * over).mean(axis=-1)
    return loss
