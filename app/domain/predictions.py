"""Everybody's forecasts for one second. What enters: a FeatureBatch and the line-up; what leaves: a PredictionBatch.

One call per forecaster and micro-batch. Quantiles are corrected by the online conformal offsets before they are
published, so outcomes judge what people saw.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.domain import features
from app.domain.calibration import Calibration
from app.domain.forecast import LEVELS, Floats, Forecaster, Rows
from app.records import FeatureBatch, Forecast, Kind, PredictionBatch, Role

DIGITS = 10  # of a log return: a millionth of a basis point


@dataclass(frozen=True)
class ModelEntry:
    """One forecaster that takes part."""

    id: str
    kind: Kind
    role: Role
    forecast: Forecaster


@dataclass(frozen=True)
class ModelLineup:
    """Who forecasts now, the champion first, and what must be said of the champion."""

    runners: tuple[ModelEntry, ...]
    horizons_s: tuple[int, ...]
    flags: tuple[str, ...] = ()  # fallback: naive serves for want of a champion; model_expired


def predict(
    batch: FeatureBatch, line_up: ModelLineup, calibration: Calibration | None, sent_ms: float = 0.0
) -> PredictionBatch:
    """Return the message of one second; raise ValueError where the features are not those of the models."""
    if batch.feature_schema != features.SCHEMA:
        raise ValueError(f"feature schema {batch.feature_schema}, the models here know {features.SCHEMA}")
    rows, volatility = matrix(batch), np.asarray(batch.bars["volatility"], np.float64)
    priced = np.asarray(batch.bars["quoted"], np.float64) > 0
    mid = np.where(priced, np.asarray(batch.bars["mid"], np.float64), 0.0)
    return PredictionBatch(
        partition=batch.partition,
        second=batch.second,
        closed_ms=batch.closed_ms,
        generation=batch.generation,
        sent_ms=sent_ms,
        symbols=batch.symbols,
        mid=mid.tolist(),
        priced=priced.tolist(),
        volatility=volatility.tolist(),
        flags=[[*own, *line_up.flags] for own in batch.flags],
        horizons_s=list(line_up.horizons_s),
        levels=list(LEVELS),
        champion=line_up.runners[0].id,
        forecasts=[_forecast(runner, rows, volatility, batch.symbols, calibration) for runner in line_up.runners],
    )


def matrix(batch: FeatureBatch) -> Rows:
    """Return the feature rows [S, F] of a message, in the models' order; ValueError where one is missing or short."""
    columns = [batch.features.get(name, []) for name in features.NAMES]
    if any(len(column) != len(batch.symbols) for column in columns):
        raise ValueError(f"features do not have one value for each of the {len(batch.symbols)} symbols")
    rows = np.array(columns, np.float32).T
    if not np.isfinite(rows).all():
        raise ValueError("features hold numbers that are not finite")
    return np.ascontiguousarray(rows)


def _forecast(
    runner: ModelEntry, rows: Rows, volatility: Floats, symbols: Sequence[str], calibration: Calibration | None
) -> Forecast:
    mean, quantiles = runner.forecast(rows, volatility)
    if calibration is not None:
        offsets = calibration.offsets(runner.id, runner.kind, symbols)
        quantiles = calibration.corrected(np.asarray(quantiles, np.float64), volatility, offsets)
    return Forecast(
        model=runner.id,
        kind=runner.kind,
        role=runner.role,
        mean=np.round(np.asarray(mean, np.float64), DIGITS).tolist(),
        quantiles=np.round(np.asarray(quantiles, np.float64), DIGITS).tolist(),
    )
