"""Targets: returns ahead, across no gap, in units of volatility."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.labels import forward_returns, standardise

HORIZONS = (5, 30)


def test_a_return_is_the_log_of_the_mid_ahead_over_the_mid_now() -> None:
    """Row t and horizon h hold log(mid[t + h] / mid[t]), and the last h rows have none."""
    mid = np.exp(np.arange(40) / 1000.0)
    returns, mask = forward_returns(mid, np.ones(40, bool), HORIZONS)
    assert returns[mask[:, 0], 0] == pytest.approx(0.005)
    assert returns[mask[:, 1], 1] == pytest.approx(0.030)
    assert mask.sum(axis=0).tolist() == [35, 10]


@given(st.integers(0, 59))
def test_no_return_reaches_across_a_second_that_never_came(gap: int) -> None:
    """Every window with the absent second in it is void, every other one stands."""
    present = np.ones(60, bool)
    present[gap] = False
    _returns, mask = forward_returns(np.full(60, 100.0), present, (5,))
    expected = [start + 5 < 60 and not start <= gap <= start + 5 for start in range(60)]
    assert mask[:, 0].tolist() == expected


@pytest.mark.parametrize("bad", [0.0, np.nan, np.inf, -1.0])
def test_a_second_without_a_price_ends_no_return_and_starts_none(bad: float) -> None:
    """A missing mid voids the two returns that touch it and leaves those that only pass over it."""
    mid = np.full(30, 100.0)
    mid[10] = bad
    _returns, mask = forward_returns(mid, np.ones(30, bool), (5,))
    assert np.flatnonzero(~mask[:25, 0]).tolist() == [5, 10]


def test_a_horizon_longer_than_the_history_has_no_returns() -> None:
    """Nothing is invented where the history is too short."""
    _returns, mask = forward_returns(np.full(10, 1.0), np.ones(10, bool), (5, 300))
    assert mask.sum(axis=0).tolist() == [5, 0]


def test_targets_are_returns_in_units_of_volatility_and_root_time() -> None:
    """A move of one volatility·√h is 1; without a volatility there is no target."""
    z, known = standardise(np.array([[0.002, 0.01], [0.002, 0.01]]), np.array([0.001, 0.0]), (4, 100))
    assert z[0] == pytest.approx([1.0, 1.0])
    assert known.tolist() == [[True, True], [False, False]]
