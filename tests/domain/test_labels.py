"""What really happened next, and blocks of time that do not know of each other."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.examples import Examples
from app.domain.labels import forward_returns, standardise
from app.domain.time_split import purged, split_by_time

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


@given(st.integers(0, 10**9), st.integers(1_000, 50_000))
def test_no_outcome_of_a_block_is_made_of_seconds_a_later_block_looks_at(start: int, length: int) -> None:
    """The last second an outcome touches lies before the first second of the next block's first window."""
    window_s = 300
    blocks = split_by_time(start, start + length, embargo_s=window_s)
    parts = [_purged(start, length, block) for block in (blocks.train, blocks.validation)]
    following = (blocks.validation, blocks.test)
    for (rows, block), after in zip(zip(parts, (blocks.train, blocks.validation), strict=True), following, strict=True):
        touched = np.where(rows.mask, rows.second[:, None] + np.asarray(HORIZONS), block[0]).max(initial=block[0])
        assert touched < block[1] <= after[0] - window_s


def test_a_history_too_short_for_three_blocks_is_refused() -> None:
    """The reason names the length and the embargo."""
    with pytest.raises(ValueError, match="602 s are too few"):
        split_by_time(0, 602, embargo_s=300)


def _purged(start: int, length: int, block: tuple[int, int]) -> Examples:
    second = np.arange(start, start + length, max(1, length // 500))
    rows, wide = len(second), (len(second), len(HORIZONS))
    whole = Examples(
        np.zeros((rows, 1), np.float32), np.ones(rows), np.zeros(wide), np.ones(wide, bool), second,
        np.zeros(rows, np.int64),
    )  # fmt: skip
    return purged(whole, block, HORIZONS)
