"""Prediction batches for the tests of settlement and of what it is made of."""

from collections.abc import Sequence
from typing import Any

from app.records import Forecast, PredictionBatch

HORIZONS_S = (1, 3, 7)
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
SPREAD = (-2e-4, -1e-4, 0.0, 1e-4, 2e-4)
NAIVE, RIDGE = ("naive", "naive"), ("ridge-1", "ridge")


def forecast(model: tuple[str, str], means: Sequence[float], role: str = "champion") -> Forecast:
    """Return a forecaster's means, one per symbol, the same at every horizon, with quantiles around them."""
    rows = [[[mean + gap for gap in SPREAD] for _ in HORIZONS_S] for mean in means]
    name, kind = model
    mean = [[mean] * len(HORIZONS_S) for mean in means]
    return Forecast(model=name, kind=kind, role=role, mean=mean, quantiles=rows)  # type: ignore[arg-type]


def batch(second: int, mids: dict[str, float], models: Sequence[Any] = (NAIVE, RIDGE), **other: Any) -> PredictionBatch:
    """Return one second's predictions; a mid of 0 is unpriced."""
    fields: dict[str, Any] = {
        "partition": 0,
        "second": second,
        "closed_ms": second * 1000.0,
        "sent_ms": second * 1000.0,
        "symbols": list(mids),
        "mid": list(mids.values()),
        "priced": [mid > 0 for mid in mids.values()],
        "volatility": [1e-4] * len(mids),
        "flags": [[] for _ in mids],
        "horizons_s": list(HORIZONS_S),
        "levels": list(LEVELS),
        "champion": "ridge-1",
        "forecasts": [forecast(model, [0.0 if model == NAIVE else 1e-4] * len(mids)) for model in models],
    }
    return PredictionBatch(**(fields | other))
