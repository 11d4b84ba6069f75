"""Evaluation: finds skill that is there, and none that is not."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from app.domain.baselines import naive
from app.domain.examples import Examples, concatenated
from app.domain.forecast import LEVELS, Floats, Forecaster, Rows, horizon_volatility
from app.training.evaluation import Evaluation, bootstrap_skill, diebold_mariano, evaluate, release_metrics

NORMAL = norm.ppf(LEVELS)
HORIZONS = (5, 60)


def market(seconds: int, *, drift: float, seed: int, symbols: int = 1) -> Examples:
    """Return overlapping outcomes of random walks; the feature [N, H] is what may be known of each."""
    random = np.random.default_rng(seed)
    parts = []
    for symbol in range(symbols):
        signal = random.normal(size=seconds + 60)
        path = np.cumsum(np.concatenate([[0.0], drift * signal[:-1] + random.normal(size=seconds + 59)]))
        z = np.stack([(path[h : seconds + h] - path[:seconds]) / h**0.5 for h in HORIZONS], axis=1)
        known = np.stack([drift * signal[:seconds] / h**0.5 for h in HORIZONS], axis=1).astype(np.float32)
        parts.append((known, z, np.arange(seconds), np.full(seconds, symbol)))
    known, z, second, number = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Examples(known, np.full(len(z), 1e-4), z, np.ones(z.shape, bool), second, number)


def oracle(weight: float = 1.0) -> Forecaster:
    """Return the forecaster that takes the feature as the mean."""

    def forecast(features: Rows, volatility: Floats) -> tuple[Floats, Floats]:
        scale, mean = horizon_volatility(volatility, HORIZONS), weight * features
        return scale * mean, scale[:, :, None] * (mean[:, :, None] + NORMAL)

    return forecast


def evaluated(rows: Examples, weight: float = 1.0) -> list[Evaluation]:
    """Return the evaluations of the forecaster that takes the feature as the mean."""
    normal = np.tile(NORMAL, (len(HORIZONS), 1))
    return evaluate({"naive": naive(normal, HORIZONS), "model": oracle(weight)}, rows, HORIZONS)["model"]


def test_skill_that_is_there_is_found() -> None:
    """A signal that explains a hundredth of five seconds' variance shows in every figure."""
    evaluation = evaluated(market(20_000, drift=0.25, seed=1))[0]
    assert evaluation.p_value < 0.001
    assert 0.0 < evaluation.skill_low < evaluation.skill < evaluation.skill_high
    assert evaluation.r2 == pytest.approx(0.0125, abs=0.006)
    assert 0.51 < evaluation.direction < 0.56
    assert evaluation.coverage_90 == pytest.approx(0.9, abs=0.02)
    assert evaluation.coverage_50 == pytest.approx(0.5, abs=0.02)
    assert not evaluation.is_suspicious


def test_on_a_martingale_p_values_are_no_smaller_than_chance_allows() -> None:
    """Of 60 forecasters that know nothing hardly one is called skilful, at overlapping horizons too."""
    p_values = []
    for seed in range(60):
        rows = market(3000, drift=0.0, seed=seed)
        guess = np.random.default_rng(1000 + seed).normal(size=rows.features.shape).astype(np.float32)
        slow = np.cumsum(guess, axis=0) / np.sqrt(np.arange(1, len(guess) + 1))[:, None]
        rows = replace(rows, features=slow.astype(np.float32))
        p_values += [evaluation.p_value for evaluation in evaluated(rows, weight=0.1)]
    assert np.mean(np.array(p_values) < 0.01) <= 0.03
    assert np.mean(np.array(p_values) < 0.05) <= 0.08


def test_a_false_oracle_is_worse_than_naive() -> None:
    """Skill below zero, p near 1."""
    evaluation = evaluated(market(5000, drift=0.5, seed=2), weight=-1.0)[0]
    assert evaluation.skill_high < 0
    assert evaluation.p_value > 0.99


def test_rounding_is_not_skill() -> None:
    """A model that forecasts what naive does, but in float32, has p = 1, however regular the difference."""
    rows = market(4000, drift=0.0, seed=12)
    evaluation = evaluated(replace(rows, features=np.full_like(rows.features, 1e-7)))[0]
    assert evaluation.p_value == 1.0


def test_symbols_that_move_together_are_not_independent_evidence() -> None:
    """The same symbol twice gives the same p-value as once."""
    once = market(4000, drift=0.2, seed=3)
    doubled = replace(concatenated([once, once]), symbol=np.repeat([0, 1], len(once)))
    assert [v.p_value for v in evaluated(doubled)] == pytest.approx([v.p_value for v in evaluated(once)])


def test_being_right_too_often_far_ahead_is_reported_as_a_suspected_leak() -> None:
    """A direction right in six of ten minutes is not possible without a leak."""
    rows = market(4000, drift=0.0, seed=4)
    leaked = replace(rows, features=rows.z.astype(np.float32))
    five, minute = evaluated(leaked, weight=0.3)
    assert minute.direction > 0.99
    assert minute.is_suspicious
    assert not five.is_suspicious, "at five seconds a direction may be known"
    assert release_metrics([five, minute])["suspicious"] == 1.0


def test_a_quiet_second_counts_for_little() -> None:
    """Errors are log returns: a miss where nothing moves weighs what it costs, not what it looks like."""
    rows = market(2000, drift=0.3, seed=5)
    rows.volatility[::2] *= 1e-3
    rows.z[::2] *= -1.0  # in the quiet half the signal points the wrong way
    assert evaluated(rows)[0].skill > 0


def test_without_outcomes_nothing_is_claimed() -> None:
    """P = 1, an interval of (−1, 1) and no suspicion."""
    rows = market(100, drift=0.3, seed=6)
    evaluation = evaluated(replace(rows, mask=rows.mask & False))[0]
    assert (evaluation.n, evaluation.p_value, evaluation.skill_low, evaluation.skill_high) == (0, 1.0, -1.0, 1.0)


def test_too_few_overlapping_outcomes_prove_nothing() -> None:
    """A hundred rows of a sixty-second horizon are not two outcomes."""
    assert diebold_mariano(np.full(100, 1.0) + np.arange(100) * 1e-3, lags=60) == 1.0
    assert bootstrap_skill(np.ones(100), np.ones(100), lags=60) == (-1.0, 1.0)
    assert diebold_mariano(np.ones(1000), lags=5) == 1.0, "no variation"
