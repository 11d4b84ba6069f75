"""Volatility: the standard deviation of the log mid per square root of a second, of a `BarWindow`."""

import numpy as np

from app.domain.bar_window import WARMUP_S, WINDOW_S, BarWindow, Plane
from app.domain.bars import PRIOR_VOLATILITY, Channel, Floats

HALF_LIFE_S = 30.0
FLOOR = 1e-7  # 0.0006 % an hour: below any market that moves


def volatility(view: BarWindow) -> Floats:
    """Return σ, float64 [S], per √s; always ≥ 1e-7.

    σ² = EWMA ÷ 4 + RV ÷ 4 + U ÷ 2 + (half spread ÷ mid)² ÷ 300 + 1e-14, with EWMA = Σ w·r² ÷ Σ w·span (half-life 30 s,
    RiskMetrics 1996), RV = Σ r² ÷ Σ span over the window (Andersen, Bollerslev 1998) and U the usual square per second
    of `bars.update_usual_variance` (half-life 30 min; fast and slow parts together: HAR, Corsi
    2009). Fast parts alone underestimate the moves after a quiet period by a factor of hundreds (measured on Coinbase
    mids, where the weight of U was chosen). The spread term is one move of half a spread per window: without it a flat
    market would have no volatility. Until 60 seconds are known the rest is filled with `PRIOR_VOLATILITY`.
    """
    square, span = view.window[Plane.SQUARE], view.window[Plane.SPAN]
    weight = _weights(square.shape[-1])
    known = np.add.reduce(span, axis=-1)
    realised = ratio(np.add.reduce(square, axis=-1), known)
    recent = ratio(np.add.reduce(square * weight, axis=-1), np.add.reduce(span * weight, axis=-1))
    usual = ratio(view.last[:, Channel.USUAL_SQUARE], view.last[:, Channel.USUAL_S])
    held = np.minimum(known, WARMUP_S) / WARMUP_S
    variance = held * ((recent + realised) / 4 + usual / 2) + (1.0 - held) * PRIOR_VOLATILITY**2
    return np.asarray(np.sqrt(variance + half_spread(view.last) ** 2 / WINDOW_S + FLOOR**2))


def half_spread(bars: Floats) -> Floats:
    """Return (ask − bid) ÷ 2 ÷ mid of each bar, at most 1, float64 [N]; 0 where not quoted."""
    return np.minimum(ratio((bars[:, Channel.ASK] - bars[:, Channel.BID]) / 2, bars[:, Channel.MID]), 1.0)


def ratio(above: Floats, below: Floats) -> Floats:
    """Return above ÷ below, and 0 where below is not positive."""
    return np.divide(above, below, out=np.zeros(np.broadcast_shapes(above.shape, below.shape)), where=below > 0)


def _weights(seconds: int) -> Floats:
    return np.asarray(0.5 ** (np.arange(seconds - 1, -1, -1.0) / HALF_LIFE_S))
