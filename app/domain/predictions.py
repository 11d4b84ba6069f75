"""The forecasts of all models for one second: a `PredictionBatch` from feature rows.

Each forecaster is called once per batch. Quantiles are corrected by the conformal offsets before they are published,
so outcomes score the quantiles that readers saw.
"""

from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from app.domain.calibration import Calibration
from app.domain.forecast import LEVELS, Floats, Forecaster
from app.domain.windows import FeatureRows
from app.records import Batch, Forecast, Kind, PredictionBatch, Role

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
    batch: Batch, rows: FeatureRows, lineup: ModelLineup, calibration: Calibration | None, sent_ms: float = 0.0
) -> PredictionBatch:
    """Return the message of one second: the forecasts of every model for the symbols of `rows`.

    `batch` gives partition, second, close and generation. The mid is 0 where a symbol has no quote.
    """
    volatility, priced = rows.volatility, rows.bars["quoted"] > 0
    return PredictionBatch(
        partition=batch.partition,
        second=batch.second,
        closed_ms=batch.closed_ms,
        generation=batch.generation,
        sent_ms=sent_ms,
        symbols=rows.symbols,
        mid=np.where(priced, rows.bars["mid"], 0.0).tolist(),
        priced=priced.tolist(),
        volatility=volatility.tolist(),
        flags=[[*own, *lineup.flags] for own in rows.flags],
        horizons_s=list(lineup.horizons_s),
        levels=list(LEVELS),
        champion=lineup.entries[0].id,
        forecasts=[_forecast(entry, rows, volatility, calibration) for entry in lineup.entries],
    )


def _forecast(entry: ModelEntry, rows: FeatureRows, volatility: Floats, calibration: Calibration | None) -> Forecast:
    mean, quantiles = entry.forecast(rows.features, volatility)
    if calibration is not None:
        offsets = calibration.offsets(entry.id, entry.kind, rows.symbols)
        quantiles = calibration.corrected(np.asarray(quantiles, np.float64), volatility, offsets)
    return Forecast(
        model=entry.id,
        kind=entry.kind,
        role=entry.role,
        mean=cast(Any, np.round(np.asarray(mean, np.float64), DIGITS)),  # arrays: the encoder writes lists
        quantiles=cast(Any, np.round(np.asarray(quantiles, np.float64), DIGITS)),
    )
