"""Forecasts of one second: every model, corrected quantiles, and refusals."""

from collections.abc import Callable

import msgspec
import numpy as np
import pytest

from app.domain import features
from app.domain.baselines import default_z, naive
from app.domain.batch_builders import feature_batch
from app.domain.calibration import Calibration, CalibrationRecord
from app.domain.forecast import LEVELS
from app.domain.predictions import ModelEntry, ModelLineup, feature_rows, predict
from app.domain.windows import SymbolWindows
from app.records import FeatureBatch, TickBatch

H = (5, 60)
NAIVE = ModelEntry("naive", "naive", "champion", naive(default_z(H), H))
LINEUP = ModelLineup((NAIVE,), H, flags=("fallback",))


@pytest.fixture
def batch(market: Callable[..., list[TickBatch]]) -> FeatureBatch:
    """Return the features of one second of two symbols."""
    windows = SymbolWindows()
    for ticks in market(4, ["A", "B"], 70):
        windows.update(ticks)
    return feature_batch(ticks, windows.feature_rows(), 0.0)


def test_every_model_forecasts_every_symbol_and_flags_are_added(batch: FeatureBatch) -> None:
    """Shapes are [symbol][horizon][level]; the champion is the first entry."""
    made = predict(batch, LINEUP, None, sent_ms=3.0)
    (forecast,) = made.forecasts
    assert np.shape(forecast.quantiles) == (2, len(H), len(LEVELS))
    assert (made.champion, made.second, made.sent_ms) == ("naive", batch.second, 3.0)
    assert all(flags[-1] == "fallback" for flags in made.flags)


def test_quantiles_are_corrected_by_the_offsets_of_the_model(batch: FeatureBatch) -> None:
    """One unit of volatility·√h wider at the outer levels, the median stays."""
    offsets = np.tile(np.array([-1, 0, 0, 0, 1], np.float32), (2, 1, 1, 1))
    record = CalibrationRecord(H, LEVELS, ["A"], [("naive", "naive", 1)], offsets.tobytes())
    plain, wider = (np.array(predict(batch, LINEUP, c).forecasts[0].quantiles) for c in (None, Calibration(record)))
    unit = np.asarray(batch.bars["volatility"])[0] * np.sqrt(H)
    assert wider[0, :, -1] - plain[0, :, -1] == pytest.approx(unit, rel=1e-4, abs=1e-9)
    assert (wider[0, :, 2] == plain[0, :, 2]).all()
    assert (wider[1] == plain[1]).all(), "a symbol without outcomes has no offsets"


def test_features_of_another_schema_or_shape_are_refused(batch: FeatureBatch) -> None:
    """Each with its reason."""
    with pytest.raises(ValueError, match="feature schema other"):
        predict(msgspec.structs.replace(batch, feature_schema="other"), LINEUP, None)
    short = msgspec.structs.replace(batch, features={**batch.features, features.NAMES[0]: [0.0]})
    with pytest.raises(ValueError, match="one value for each of the 2 symbols"):
        feature_rows(short)
    infinite = msgspec.structs.replace(batch, features={**batch.features, features.NAMES[0]: [0.0, np.inf]})
    with pytest.raises(ValueError, match="not finite"):
        feature_rows(infinite)
