"""A market with a known signal and the model trained on it, once for all tests of training."""

import pytest

from app.domain.symbol_series import SymbolSeries
from app.training.cold_start import START_S, synthetic_series
from app.training.pipeline import TrainingPlan, TrainingResult, train

HORIZONS = (5, 10, 30, 60, 300)
PLAN = TrainingPlan(HORIZONS, epochs=4, created_ms=1.0, origin="a test")
HOURS = 3


@pytest.fixture(scope="session")
def predictable() -> tuple[list[SymbolSeries], TrainingResult]:
    """History of a market with a known signal, and what was learnt from it."""
    history = [synthetic_series(7, name, START_S, HOURS * 3600) for name in ("BTCUSDT", "ETHUSDT")]
    return history, train(history, PLAN)
