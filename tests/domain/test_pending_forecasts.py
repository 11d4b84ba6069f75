"""Pending forecasts: checked once, and the same after a record."""

import math
from typing import Any

import msgspec
import numpy as np
import pytest

from app.domain.pending_forecasts import PendingForecasts, decoded, record_of
from tests.domain.prediction_batches import HORIZONS_S, LEVELS, NAIVE, RIDGE, SPREAD, batch, forecast

BAD_ROW = [[0.0] * 3, [0.0] * 2]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"mid": [1.0]}, r"mid has shape \(1,\), not \(2,\)"),
        ({"priced": [True]}, r"priced has shape \(1,\), not \(2,\)"),
        ({"volatility": [1e-4] * 3}, r"volatility has shape \(3,\), not \(2,\)"),
        ({"volatility": [1e-4, math.nan]}, "volatility holds values that are not finite"),
        ({"volatility": [1e-4, -1.0]}, "volatility must not be negative"),
        ({"mid": [1.0, -1.0]}, "mid must be positive where priced"),
        ({"mid": [1.0, math.inf]}, "mid holds values that are not finite"),
        ({"symbols": ["A", "A"]}, r"symbols repeat: \['A'\]"),
        ({"horizons_s": [1, 3]}, "predictions are for horizons"),
        ({"levels": [0.1, 0.5, 0.9]}, "predictions are for horizons"),
        ({"forecasts": [forecast(RIDGE, [0.0])]}, r"mean of ridge-1 has shape \(1, 3\), not \(2, 3\)"),
        ({"forecasts": [forecast(RIDGE, [0.0, math.nan])]}, "mean of ridge-1 holds values that are not finite"),
        ({"forecasts": [forecast(RIDGE, [0.0, 1e300])]}, "mean of ridge-1 holds values that are not finite"),
        ({"forecasts": [forecast(RIDGE, [0.0, 0.0])] * 2}, "forecasts' models repeat"),
        (
            {"forecasts": [msgspec.structs.replace(forecast(RIDGE, [0.0, 0.0]), mean=BAD_ROW)]},
            r"mean of ridge-1 is not \(2, 3\) numbers",
        ),
    ],
)
def test_a_batch_of_other_shapes_or_values_is_refused_with_its_reason(change: dict[str, Any], reason: str) -> None:
    """One clear sentence for the dead letters."""
    with pytest.raises(ValueError, match=reason):
        record_of(batch(5, {"A": 1.0, "B": 2.0}, **change), HORIZONS_S, LEVELS)


def test_a_record_gives_back_the_forecasts_as_float32_and_the_mid_as_float64() -> None:
    """Encoded and decoded: names, mids, means and quantiles are the same, and unpriced symbols have no mid."""
    record = record_of(batch(5, {"A": 1.1, "B": 0.0}), HORIZONS_S, LEVELS)
    pending = PendingForecasts(decoded(msgspec.msgpack.encode(record)))
    assert (pending.second, pending.symbols, pending.models) == (5, ("A", "B"), (NAIVE, RIDGE))
    assert (pending.mid.tolist(), pending.priced.tolist()) == ([1.1, 0.0], [True, False])
    assert pending.values[0][1, 0].tolist() == np.array([1e-4, *(1e-4 + gap for gap in SPREAD)], np.float32).tolist()


def test_discarded_horizons_hold_no_memory_and_the_others_stay() -> None:
    """A horizon that is settled is dropped alone."""
    pending = PendingForecasts(record_of(batch(5, {"A": 1.1}), HORIZONS_S, LEVELS))
    pending.discard([0, 2])
    assert [part.size for part in pending.values] == [0, 2 * (1 + len(LEVELS)), 0]


def test_equal_names_are_held_once_and_other_names_are_kept() -> None:
    """Seconds of the same symbols share one tuple."""
    first, second, other = (
        PendingForecasts(decoded(msgspec.msgpack.encode(record_of(batch(5, mids), HORIZONS_S, LEVELS))))
        for mids in ({"A": 1.0}, {"A": 1.0}, {"B": 1.0})
    )
    second.share_names(first)
    other.share_names(first)
    assert second.symbols is first.symbols
    assert other.symbols == ("B",)
