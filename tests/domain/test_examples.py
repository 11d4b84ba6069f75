"""Training examples: chosen, joined and weighted rows."""

import numpy as np
import pytest

from app.domain.examples import Examples, concatenated


def rows_of(volatility: list[float], symbol: list[int]) -> Examples:
    """Return rows with these volatilities."""
    count = len(volatility)
    return Examples(
        np.zeros((count, 2), np.float32), np.array(volatility), np.zeros((count, 1)), np.ones((count, 1), bool),
        np.arange(count), np.array(symbol),
    )  # fmt: skip


def test_relative_volatility_is_that_of_the_row_over_the_mean_of_its_symbol_at_most_three() -> None:
    """Each symbol has its own mean; an outburst weighs three times a usual second."""
    rows = rows_of([1.0, 3.0, 10.0, 10.0, *[1e-4] * 99, 1.0], [0, 0, 1, 1, *[2] * 100])
    assert rows.relative_volatility[:4] == pytest.approx([0.5, 1.5, 1.0, 1.0])
    assert rows.relative_volatility[-1] == 3.0


def test_chosen_and_concatenated_rows_keep_every_column_in_step() -> None:
    """What is taken apart by a mask is the same put together again."""
    rows = rows_of([1.0, 2.0, 3.0], [0, 1, 0])
    first = np.array([True, True, False])
    whole = concatenated([rows.where(first), rows.where(~first)])
    assert len(whole) == 3
    assert (whole.volatility.tolist(), whole.second.tolist(), whole.symbol.tolist()) == (
        [1, 2, 3],
        [0, 1, 2],
        [0, 1, 0],
    )
