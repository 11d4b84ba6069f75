"""The forecasts of all models for one second: a `PredictionBatch` from a `FeatureBatch`.

Each forecaster is called once per batch. Quantiles are corrected by the conformal offsets before they are published,
so outcomes score the quantiles that readers saw.
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
    """One forecaster with its name, kind and role."""

    id: str
    kind: Kind
    role: Role
    forecast: Forecaster


@dataclass(frozen=True)
class ModelLineup:
    """The forecasters in use, the champion first, and the flags of the champion."""

    entries: tuple[ModelEntry, ...]
    horizons_s: tuple[int, ...]
    flags: tuple[str, ...] = ()  # fallback: naive serves as there is no champion; model_expired


def predict(
    batch: FeatureBatch, line_up: ModelLineup, calibration: Calibration | None, sent_ms: float = 0.0
) -> PredictionBatch:
    """Return the message of one second; raise ValueError where the features are not those of the models."""
    if batch.feature_schema != features.SCHEMA:
        raise ValueError(f"feature schema {batch.feature_schema}, the models here know {features.SCHEMA}")
    rows, volatility = feature_rows(batch), np.asarray(batch.bars["volatility"], np.float64)
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
        champion=line_up.entries[0].id,
        forecasts=[_forecast(entry, rows, volatility, batch.symbols, calibration) for entry in line_up.entries],
    )


def feature_rows(batch: FeatureBatch) -> Rows:
    """Return the feature rows [S, F] of a message, in the models' order; ValueError where one is missing or short."""
    columns = [batch.features.get(name, []) for name in features.NAMES]
    if any(len(column) != len(batch.symbols) for column in columns):
        raise ValueError(f"features do not have one value for each of the {len(batch.symbols)} symbols")
    rows = np.array(columns, np.float32).T
    if not np.isfinite(rows).all():
        raise ValueError("features hold numbers that are not finite")
    return np.ascontiguousarray(rows)


def _forecast(
    entry: ModelEntry, rows: Rows, volatility: Floats, symbols: Sequence[str], calibration: Calibration | None
) -> Forecast:
    mean, quantiles = entry.forecast(rows, volatility)
    if calibration is not None:
        offsets = calibration.offsets(entry.id, entry.kind, symbols)
        quantiles = calibration.corrected(np.asarray(quantiles, np.float64), volatility, offsets)
    return Forecast(
        model=entry.id,
        kind=entry.kind,
        role=entry.role,
        mean=np.round(np.asarray(mean, np.float64), DIGITS).tolist(),
        quantiles=np.round(np.asarray(quantiles, np.float64), DIGITS).tolist(),
    )
