"""The two baselines every model must beat: a naive forecaster and ridge regression.

Naive forecasts "no change" with the usual spread; ridge is linear least squares with a penalty.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from app.domain.bar_window import WINDOW_S
from app.domain.examples import Examples
from app.domain.forecast import LEVELS, Floats, Forecaster, Mask, Rows, Seconds, horizon_volatility, pinball_loss
from app.domain.long_run_variance import shrinkage

# Quantiles of the return over volatility·√h before any release was trained: those of a heavy-tailed return over a
# short horizon. A release brings those of its own history.
DEFAULT_Z = (-1.55, -0.50, 0.0, 0.50, 1.55)

IGNORED_SCALE = 1e30
CLIP = 6.0  # standard deviations; one outlier must not dominate a forecast
FOLDS = 5
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
PENALTIES = tuple(float(10.0**power) for power in np.arange(-3.0, 2.1, 0.5))  # per row of history


def default_z(horizons_s: Sequence[int]) -> Floats:
    """Return the quantiles [H, Q] of the naive forecaster before any release was trained."""
    return np.tile(np.array(DEFAULT_Z), (len(horizons_s), 1))


def naive(z_quantiles: Floats, horizons_s: Sequence[int]) -> Forecaster:
    """Return the forecaster "no change": mean 0, quantiles volatility·√h·z with z [H, Q]."""

    def forecast(features: Rows, volatility: Floats) -> tuple[Floats, Floats]:
        scale = horizon_volatility(volatility, horizons_s)
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
    """Return the scaler of rows [N, F]. A feature that is constant there gets a scale so large that it is ignored."""
    centre = np.nanmean(features, axis=0, dtype=np.float64)
    scale = np.nanstd(features, axis=0, dtype=np.float64)
    moves = np.isfinite(scale) & (scale > 1e-9 * np.maximum(1.0, np.abs(centre)))
    return Scaler(
        np.asarray(np.nan_to_num(centre), np.float32), np.where(moves, scale, IGNORED_SCALE).astype(np.float32)
    )


class LinearModel(NamedTuple):
    """A linear forecaster: mean = x·coefficients; quantiles = quantile_slope·mean + z, in units of volatility·√h.

    Where many returns are exactly zero the quartiles do not move with the mean: `quantile_slope` is how much they do.
    """

    coefficients: Rows  # [F, H]
    quantile_slope: Floats  # [H], 0 … 1
    z_quantiles: Floats  # [H, Q]


def ridge(
    scaler: Scaler, coefficients: Rows, quantile_slope: Floats, z_quantiles: Floats, horizons_s: Sequence[int]
) -> Forecaster:
    """Return the linear forecaster of a scaler and a `LinearModel`."""

    def forecast(features: Rows, volatility: Floats) -> tuple[Floats, Floats]:
        scale = horizon_volatility(volatility, horizons_s)
        z = (scaler(features) @ coefficients).astype(np.float64)
        return scale * z, scale[:, :, None] * ((quantile_slope * z)[:, :, None] + z_quantiles)

    return forecast


def fit_linear(scaler: Scaler, train: Examples, horizons_s: Sequence[int], levels: Sequence[float]) -> LinearModel:
    """Return the linear model of the train block: ridge coefficients, quantiles of least pinball loss."""
    coefficients = fit_ridge(scaler, train, horizons_s)
    predicted = (scaler(train.features) @ coefficients).astype(np.float64)
    slope, quantiles = np.zeros(len(horizons_s)), default_z(horizons_s)
    for h in range(len(horizons_s)):
        mean, z = predicted[train.mask[:, h], h], train.z[train.mask[:, h], h]
        if not len(z):
            continue
        offsets = [np.quantile(z - part * mean, levels) for part in SHARES]
        candidates = [part * mean[:, None] + own for part, own in zip(SHARES, offsets, strict=True)]
        weight = train.relative_volatility[train.mask[:, h]]
        best = int(np.argmin([(weight * pinball_loss(z, each, levels)).mean() for each in candidates]))
        slope[h], quantiles[h] = SHARES[best], symmetrised(offsets[best])
    return LinearModel(coefficients, slope, quantiles)


def fit_ridge(scaler: Scaler, train: Examples, horizons_s: Sequence[int]) -> Rows:
    """Return coefficients [F, H] for standardised rows, penalty and shrinkage of each column by cross-validation.

    Errors count as log returns, so quiet seconds weigh little. There is no intercept: over minutes a drift is noise.
    Closed form: (XᵀX + λnI)⁻¹Xᵀy (Hoerl & Kennard 1970). Folds
    are blocks of time, `horizon + WINDOW_S` away from the rows they are evaluated on; `shrinkage` then scales each
    column by what is significant, in the extreme to the zero forecast.
    """
    weight = train.relative_volatility
    X = scaler(train.features) * weight[:, None]
    columns = []
    for h, horizon in enumerate(horizons_s):
        seen = train.mask[:, h]
        rows, y, second = X[seen], clipped(train.z[seen, h]) * weight[seen], train.second[seen]
        predicted, held_out = _held_out_forecasts(rows, y, second, horizon + WINDOW_S)
        errors = ((y[held_out, None] - predicted[held_out]) ** 2).sum(axis=0)
        best = int(np.argmin(errors))
        keep = shrinkage(predicted[:, best], y, held_out, second, horizon)
        columns.append(keep * _ridge_path(rows, y)[:, best])
    return np.stack(columns, axis=1).astype(np.float32)


def _held_out_forecasts(X: Floats, y: Floats, second: Seconds, apart_s: int) -> tuple[Floats, Mask]:
    """Return forecasts [N, penalties] of each row by models fitted far from it, and the mask [N] of those."""
    predicted, held_out = np.zeros((len(y), len(PENALTIES))), np.zeros(len(y), bool)
    if not len(y):
        return predicted, held_out
    edges = np.linspace(second.min(), second.max() + 1, FOLDS + 1)
    for start, end in pairwise(edges):
        inside = (second >= start) & (second < end)
        far = (second < start - apart_s) | (second >= end + apart_s)
        if far.any():
            predicted[inside] = X[inside] @ _ridge_path(X[far], y[far])
            held_out |= inside
    return predicted, held_out


def _ridge_path(X: Floats, y: Floats) -> Floats:
    """Return the coefficients for each penalty: [F, penalties]."""
    if not len(y):
        return np.zeros((X.shape[1], len(PENALTIES)))
    values, vectors = np.linalg.eigh(X.T @ X / len(y))
    projected = vectors.T @ (X.T @ y) / len(y)
    path: Floats = vectors @ (projected[:, None] / (np.maximum(values, 0.0)[:, None] + np.array(PENALTIES)))
    return path


def clipped(z: Floats, limit: float = 5.0) -> Floats:
    """Return targets clipped to ±`limit` volatilities, so that one jump does not dominate the squared error."""
    return np.clip(z, -limit, limit)


def empirical_quantiles(z: Floats, mask: Mask, levels: Sequence[float] = LEVELS) -> Floats:
    """Return the quantiles [H, Q] of each column of z [N, H], mirrored; a column without data gets the default ones."""
    rows = [
        np.quantile(z[mask[:, h], h], levels) if mask[:, h].any() else np.array(DEFAULT_Z) for h in range(z.shape[1])
    ]
    return symmetrised(np.stack(rows))


def symmetrised(quantiles: Floats) -> Floats:
    """Return quantiles [..., Q] as if each outcome had occurred with both signs: a few hours of drift prove nothing.

    >>> symmetrised(np.array([-3.0, 1.0, 4.0])).tolist()
    [-3.5, 0.0, 3.5]
    """
    both: Floats = (quantiles - quantiles[..., ::-1]) / 2.0
    return both
