"""The two that must be beaten. What enters: history as standardised targets; what leaves: naive and ridge forecasters.

Naive says "no change" with the usual spread; ridge is a least-squares line. Both are a few lines of numpy.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from app.domain.bar_window import WINDOW_S
from app.domain.forecast import LEVELS, Floats, Forecaster, Mask, Rows, Seconds, pinball, unit
from app.domain.labels import Examples
from app.domain.long_run_variance import kept_share

# Quantiles of the return over volatility·√h: what a heavy-tailed return over a short horizon looks like before
# anything was learnt. A release brings those of its own history.
USUAL_Z = (-1.55, -0.50, 0.0, 0.50, 1.55)

SILENT = 1e30
CLIP = 6.0  # standard deviations; one wild feature must not carry a forecast away
FOLDS = 5
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
PENALTIES = tuple(float(10.0**power) for power in np.arange(-3.0, 2.1, 0.5))  # per row of history


def usual_z(horizons_s: Sequence[int]) -> Floats:
    """Return the quantiles [H, Q] that naive uses before a release brought learnt ones."""
    return np.tile(np.array(USUAL_Z), (len(horizons_s), 1))


def naive(z_quantiles: Floats, horizons_s: Sequence[int]) -> Forecaster:
    """Return the forecaster "no change": mean 0, quantiles volatility·√h·z with z [H, Q]."""

    def forecast(features: Rows, volatility: Floats) -> tuple[Floats, Floats]:
        scale = unit(volatility, horizons_s)
        return np.zeros(scale.shape), scale[:, :, None] * z_quantiles

    return forecast


@dataclass(frozen=True)
class Scaler:
    """Centre [F] and scale [F] of the features, fitted on training time only."""

    centre: Rows
    scale: Rows

    def __call__(self, features: Rows) -> Rows:
        """Return the rows [S, F] in standard deviations, within ±6, unknown values as 0."""
        standardised = (features - self.centre) / self.scale
        bounded_rows: Rows = np.nan_to_num(np.clip(standardised, -CLIP, CLIP), nan=0.0).astype(np.float32)
        return bounded_rows


def fit_scaler(features: Rows) -> Scaler:
    """Return the scaler of rows [N, F]. A feature that never moved taught nothing: its scale silences it for good."""
    centre = np.nanmean(features, axis=0, dtype=np.float64)
    scale = np.nanstd(features, axis=0, dtype=np.float64)
    moves = np.isfinite(scale) & (scale > 1e-9 * np.maximum(1.0, np.abs(centre)))
    return Scaler(np.asarray(np.nan_to_num(centre), np.float32), np.where(moves, scale, SILENT).astype(np.float32))


class Line(NamedTuple):
    """A linear forecaster: mean = x·coefficients; quantiles = share·mean + z, all in units of volatility·√h.

    Where many returns are exactly zero the quartiles stay put whatever the mean does: `share` says how far they follow.
    """

    coefficients: Rows  # [F, H]
    share: Floats  # [H], 0 … 1
    z_quantiles: Floats  # [H, Q]


def ridge(
    scaler: Scaler, coefficients: Rows, share: Floats, z_quantiles: Floats, horizons_s: Sequence[int]
) -> Forecaster:
    """Return the linear forecaster of a scaler and a `Line`."""

    def forecast(features: Rows, volatility: Floats) -> tuple[Floats, Floats]:
        scale = unit(volatility, horizons_s)
        z = (scaler(features) @ coefficients).astype(np.float64)
        return scale * z, scale[:, :, None] * ((share * z)[:, :, None] + z_quantiles)

    return forecast


def fit_line(scaler: Scaler, train: Examples, horizons_s: Sequence[int], levels: Sequence[float]) -> Line:
    """Return the line of the train block: ridge coefficients, share and quantiles with the least pinball loss."""
    coefficients = fit_ridge(scaler, train, horizons_s)
    said = (scaler(train.features) @ coefficients).astype(np.float64)
    share, quantiles = np.zeros(len(horizons_s)), usual_z(horizons_s)
    for h in range(len(horizons_s)):
        mean, z = said[train.mask[:, h], h], train.z[train.mask[:, h], h]
        if not len(z):
            continue
        tried = [np.quantile(z - part * mean, levels) for part in SHARES]
        said_so = [part * mean[:, None] + own for part, own in zip(SHARES, tried, strict=True)]
        weight = train.liveliness[train.mask[:, h]]
        best = int(np.argmin([(weight * pinball(z, each, levels)).mean() for each in said_so]))
        share[h], quantiles[h] = SHARES[best], mirrored(tried[best])
    return Line(coefficients, share, quantiles)


def fit_ridge(scaler: Scaler, train: Examples, horizons_s: Sequence[int]) -> Rows:
    """Return coefficients [F, H] for standardised rows; penalty and length of each column come from cross-validation.

    Errors count as log returns, so quiet seconds weigh little. There is no intercept: over minutes a drift is noise.
    Closed form: (XᵀX + λnI)⁻¹Xᵀy (Hoerl & Kennard 1970). Folds
    are blocks of time, `horizon + WINDOW_S` apart from what they are judged by; what they cannot tell from luck is
    shrunk away (`kept_share`), in the extreme to the zero forecast.
    """
    lively = train.liveliness
    X = scaler(train.features) * lively[:, None]
    columns = []
    for h, horizon in enumerate(horizons_s):
        seen = train.mask[:, h]
        rows, y, second = X[seen], bounded(train.z[seen, h]) * lively[seen], train.second[seen]
        said, judged = _unseen(rows, y, second, horizon + WINDOW_S)
        errors = ((y[judged, None] - said[judged]) ** 2).sum(axis=0)
        best = int(np.argmin(errors))
        keep = kept_share(said[:, best], y, judged, second, horizon)
        columns.append(keep * _ridge_path(rows, y)[:, best])
    return np.stack(columns, axis=1).astype(np.float32)


def _unseen(X: Floats, y: Floats, second: Seconds, apart_s: int) -> tuple[Floats, Mask]:
    """Return forecasts [N, penalties] of each row by lines that saw nothing near it, and which rows have one [N]."""
    said, judged = np.zeros((len(y), len(PENALTIES))), np.zeros(len(y), bool)
    if not len(y):
        return said, judged
    edges = np.linspace(second.min(), second.max() + 1, FOLDS + 1)
    for start, end in pairwise(edges):
        inside = (second >= start) & (second < end)
        far = (second < start - apart_s) | (second >= end + apart_s)
        if far.any():
            said[inside] = X[inside] @ _ridge_path(X[far], y[far])
            judged |= inside
    return said, judged


def _ridge_path(X: Floats, y: Floats) -> Floats:
    """Return the coefficients for each penalty: [F, penalties]."""
    if not len(y):
        return np.zeros((X.shape[1], len(PENALTIES)))
    values, vectors = np.linalg.eigh(X.T @ X / len(y))
    projected = vectors.T @ (X.T @ y) / len(y)
    path: Floats = vectors @ (projected[:, None] / (np.maximum(values, 0.0)[:, None] + np.array(PENALTIES)))
    return path


def bounded(z: Floats, limit: float = 5.0) -> Floats:
    """Return targets with the rare jump cut to ±`limit` volatilities: squares must not belong to one second."""
    return np.clip(z, -limit, limit)


def empirical_quantiles(z: Floats, mask: Mask, levels: Sequence[float] = LEVELS) -> Floats:
    """Return the quantiles [H, Q] of each column of z [N, H], mirrored; a column without data gets the usual ones."""
    rows = [np.quantile(z[mask[:, h], h], levels) if mask[:, h].any() else np.array(USUAL_Z) for h in range(z.shape[1])]
    return mirrored(np.stack(rows))


def mirrored(quantiles: Floats) -> Floats:
    """Return quantiles [..., Q] as if each outcome had come with both signs: the drift of a few hours is no forecast.

    >>> mirrored(np.array([-3.0, 1.0, 4.0])).tolist()
    [-3.5, 0.0, 3.5]
    """
    both: Floats = (quantiles - quantiles[..., ::-1]) / 2.0
    return both
