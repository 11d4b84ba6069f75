"""Forecasts of one second: every model, and corrected quantiles."""

from collections.abc import Callable

import numpy as np
import pytest

from app.domain.baselines import default_z, naive
from app.domain.calibration import Calibration
from app.domain.forecast import LEVELS
from app.domain.predictions import ModelEntry, ModelLineup, predict
from app.domain.windows import FeatureRows, SymbolWindows
from app.records import TickBatch

H = (5, 60)
NAIVE = ModelEntry("naive", "naive", "champion", naive(default_z(H), H))
LINEUP = ModelLineup((NAIVE,), H, flags=("fallback",))


@pytest.fixture
def second(market: Callable[..., list[TickBatch]]) -> tuple[TickBatch, FeatureRows]:
    """Return one second of two symbols and its feature rows."""
    windows = SymbolWindows()
    for ticks in market(4, ["A", "B"], 70):
        windows.update(ticks)
    return ticks, windows.feature_rows()


def test_every_model_forecasts_every_symbol_and_flags_are_added(second: tuple[TickBatch, FeatureRows]) -> None:
    """Shapes are [symbol][horizon][level]; the champion is the first entry."""
    made = predict(*second, LINEUP, None, sent_ms=3.0)
    (forecast,) = made.forecasts
    assert np.shape(forecast.quantiles) == (2, len(H), len(LEVELS))
    assert (made.champion, made.second, made.sent_ms) == ("naive", second[0].second, 3.0)
    assert all(flags[-1] == "fallback" for flags in made.flags)


def test_quantiles_are_corrected_by_the_offsets_of_the_model(second: tuple[TickBatch, FeatureRows]) -> None:
    """One unit of volatility·√h wider at the outer levels, the median stays."""
    offsets = np.tile(np.array([-1, 0, 0, 0, 1], np.float32), (2, 1, 1, 1))
    calibration = Calibration(H, LEVELS, [("naive", "naive", 1)], {"A": 0}, offsets)
    plain, wider = (np.array(predict(*second, LINEUP, c).forecasts[0].quantiles) for c in (None, calibration))
    unit = second[1].volatility[0] * np.sqrt(H)
    assert wider[0, :, -1] - plain[0, :, -1] == pytest.approx(unit, rel=1e-4, abs=1e-9)
    assert (wider[0, :, 2] == plain[0, :, 2]).all()
    assert (wider[1] == plain[1]).all(), "a symbol without outcomes has no offsets"
