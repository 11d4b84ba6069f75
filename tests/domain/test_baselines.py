"""Naive and ridge: what every other forecaster must beat."""

import numpy as np
import pytest

from app.domain.baselines import default_z, empirical_quantiles, fit_linear, fit_scaler, naive, ridge
from app.domain.examples import Examples
from app.domain.forecast import LEVELS, pinball_loss

HORIZONS = (5, 30)


def made_up(rows: int, strength: float, *, zeros: float = 0.0, seed: int = 1) -> Examples:
    """Return rows whose first of 8 features moves the mean; a share of the outcomes is exactly zero."""
    random = np.random.default_rng(seed)
    features = random.normal(size=(rows, 8)).astype(np.float32)
    z = strength * features[:, :1] + random.normal(size=(rows, 2))
    z[random.random(z.shape) < zeros] = 0.0
    second = np.arange(rows, dtype=np.int64)
    return Examples(features, np.full(rows, 1e-4), z, np.ones(z.shape, bool), second, np.zeros(rows, np.int64))


def test_naive_forecasts_no_change_and_the_usual_width() -> None:
    """Mean 0; the quantiles are volatility·√h·z."""
    mean, quantiles = naive(default_z(HORIZONS), HORIZONS)(np.zeros((2, 8), np.float32), np.array([1e-4, np.nan]))
    assert not mean.any()
    assert quantiles[0, 1] == pytest.approx(default_z(HORIZONS)[1] * 1e-4 * 30**0.5)
    assert not quantiles[1].any(), "unknown volatility counts as none"


def test_ridge_finds_a_line_that_is_there() -> None:
    """The first coefficient comes out near its true value, a little short of it, the others near zero."""
    rows = made_up(6000, strength=0.3)
    scaler = fit_scaler(rows.features)
    line = fit_linear(scaler, rows, HORIZONS, LEVELS)
    assert 0.2 < line.coefficients[0].min() <= line.coefficients[0].max() < 0.32
    assert np.abs(line.coefficients[1:]).max() < 0.05
    mean, quantiles = ridge(scaler, *line, HORIZONS)(rows.features[:10], rows.volatility[:10])
    assert (np.diff(quantiles, axis=-1) > 0).all()
    assert np.corrcoef(mean[:, 0], rows.features[:10, 0])[0, 1] > 0.95


def test_ridge_finds_nothing_where_nothing_is() -> None:
    """On noise most lines shrink to exactly zero, whatever the features happen to look like."""
    lines = [
        fit_linear(fit_scaler(rows.features), rows, HORIZONS, LEVELS).coefficients
        for rows in (made_up(3000, strength=0.0, seed=seed) for seed in range(8))
    ]
    assert np.mean([not line[:, h].any() for line in lines for h in range(2)]) >= 0.75
    assert max(np.abs(line).max() for line in lines) < 0.05


def test_quartiles_stay_at_zero_where_most_outcomes_are_exactly_zero() -> None:
    """The mean may move, but moving the median off the point mass would cost more than it gains."""
    rows = made_up(6000, strength=0.3, zeros=0.8)
    line = fit_linear(fit_scaler(rows.features), rows, HORIZONS, LEVELS)
    assert line.quantile_slope.tolist() == [0.0, 0.0]
    assert not line.z_quantiles[:, 1:4].any()


def test_a_feature_that_never_moved_in_training_is_ignored() -> None:
    """A mask that training saw as constant cannot shift a live forecast when it changes."""
    rows = made_up(100, strength=0.0)
    rows.features[:, 3] = 1.0
    assert fit_scaler(rows.features)(np.full((1, 8), 5.0, np.float32))[0, 3] == pytest.approx(0.0, abs=1e-6)


def test_the_scaler_cuts_what_is_wild_and_replaces_what_is_unknown() -> None:
    """Six standard deviations are the most a feature counts; NaN counts as 0."""
    scaler = fit_scaler(made_up(1000, strength=0.0).features)
    scaled = scaler(np.array([[1e30, -1e30, np.nan, np.inf, 0, 0, 0, 0]], np.float32))
    assert scaled[0, :4].tolist() == [6.0, -6.0, 0.0, 6.0]


def test_empirical_quantiles_minimise_the_pinball_loss() -> None:
    """Moving them by a tenth either way makes the loss larger (the defining property)."""
    rows = made_up(5000, strength=0.0)
    z = rows.z[:, 0]
    quantiles = empirical_quantiles(rows.z, rows.mask)[0]
    least = pinball_loss(z, np.tile(quantiles, (len(z), 1)), LEVELS).mean()
    assert all(pinball_loss(z, np.tile(quantiles + by, (len(z), 1)), LEVELS).mean() > least for by in (-0.1, 0.1))


def test_a_horizon_without_outcomes_gets_the_usual_quantiles_and_a_zero_line() -> None:
    """Short histories have no outcomes of the longest horizon; nothing fails and nothing is claimed."""
    rows = made_up(1000, strength=0.3)
    rows.mask[:, 1] = False
    line = fit_linear(fit_scaler(rows.features), rows, HORIZONS, LEVELS)
    assert not line.coefficients[:, 1].any()
    assert line.z_quantiles[1].tolist() == default_z(HORIZONS)[1].tolist()
