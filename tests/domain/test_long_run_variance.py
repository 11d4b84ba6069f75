"""Long-run variance of overlapping outcomes, and shrinkage of what is not significant."""

import numpy as np
import pytest

from app.domain.examples import Examples
from app.domain.long_run_variance import long_run_variance, mean_by_second, shrinkage

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


def test_the_long_run_variance_of_overlapping_sums_is_that_of_the_sums() -> None:
    """A moving sum of h independent terms has h² times their variance, up to what Bartlett's weights leave out."""
    noise = np.random.default_rng(7).normal(size=200_000)
    moving = np.convolve(noise, np.ones(10), "valid")
    assert long_run_variance(moving, bandwidth=20) == pytest.approx(100.0 * 0.84, rel=0.08)
    assert long_run_variance(noise, bandwidth=5) == pytest.approx(1.0, rel=0.05)


def test_values_are_averaged_over_the_symbols_of_a_second() -> None:
    """Whatever the order of the rows."""
    assert mean_by_second(np.array([1.0, 4.0, 3.0]), np.array([10, 20, 10])).tolist() == [2.0, 4.0]


def test_what_is_not_significant_is_shrunk_away() -> None:
    """A forecast of pure noise keeps nothing, a true one nearly all, one twice too large half."""
    rows = market(20_000, drift=0.4, seed=8)
    forecast, z, seen = rows.features[:, 0].astype(np.float64), rows.z[:, 0], rows.mask[:, 0]
    assert 0.8 < shrinkage(forecast, z, seen, rows.second, 5) <= 1.0
    assert 0.4 < shrinkage(2 * forecast, z, seen, rows.second, 5) <= 0.5
    noise = np.random.default_rng(9).normal(size=len(forecast))
    assert shrinkage(noise, z, seen, rows.second, 5) == 0.0
    assert shrinkage(forecast * 0, z, seen, rows.second, 5) == 0.0
