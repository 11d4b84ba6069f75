"""Past predictions, bars and settled forecasts as columns."""

import numpy as np
import pytest

from app.api import examples
from app.api.examples import SECOND, bars
from app.board.board import Board
from tests.board.conftest import empty_board


def test_past_predictions_carry_their_outcomes(board: Board) -> None:
    """A forecast of 10 s made 10 s ago has its outcome; the newest one is still open."""
    past = board.history("BTCUSDT", 20)
    column = past.horizons["10"]
    assert len(past.second) == 20
    assert column.realised[past.second.tolist().index(SECOND - 10)] == pytest.approx(1.5e-4)
    assert np.isnan(column.realised[-1])
    assert set(column.quantiles) == {"0.05", "0.25", "0.5", "0.75", "0.95"}


def test_outcomes_hold_only_what_is_settled(board: Board) -> None:
    """The ten newest seconds of a 10 s horizon are still open."""
    settled = board.outcomes("BTCUSDT", 10)
    assert settled.second[-1] == SECOND - 10
    assert not np.isnan(settled.realised).any()


def test_a_value_that_a_mask_denies_is_nan() -> None:
    """Without a quote there is no mid, whatever the column holds."""
    batch = bars()
    batch.bars["quoted"][0] = 0.0
    board = empty_board()
    board.update([batch])
    channels = board.bars("BTCUSDT").channels
    assert np.isnan(channels["mid"][0])
    assert channels["price"][0] == examples.price(SECOND) + 0.5
