"""Blocks of time that share no second: purged outcomes and the embargo."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.examples import Examples
from app.domain.time_split import purged, split_by_time

HORIZONS = (5, 30)


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
