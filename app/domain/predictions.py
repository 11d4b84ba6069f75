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
        forecasts=_forecasts(lineup.entries, rows, volatility, calibration),
    )


def _forecasts(
    entries: tuple[ModelEntry, ...], rows: FeatureRows, volatility: Floats, calibration: Calibration | None
) -> list[Forecast]:
    """Return every model's forecasts; those of all models are corrected and rounded in one go."""
    made = [entry.forecast(rows.features, volatility) for entry in entries]
    means = np.array([mean for mean, _quantiles in made], np.float64)  # [M, S, H]
    quantiles = np.array([quantiles for _mean, quantiles in made], np.float64)  # [M, S, H, Q]
    if calibration is not None:
        offsets = np.array([calibration.offsets(entry.id, entry.kind, rows.symbols) for entry in entries])
        quantiles = calibration.corrected(quantiles, volatility, offsets)
    means, quantiles = np.round(means, DIGITS), np.round(quantiles, DIGITS)
    return [
        Forecast(
            model=entry.id,
            kind=entry.kind,
            role=entry.role,
            mean=cast(Any, means[m]),  # arrays: the encoder writes lists
            quantiles=cast(Any, quantiles[m]),
        )
        for m, entry in enumerate(entries)
    ]
