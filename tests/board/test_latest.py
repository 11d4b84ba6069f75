"""The newest predictions."""

import msgspec
import numpy as np
import pytest

from app.api import examples
from app.api.examples import SECOND, predictions
from app.board.board import Board
from tests.board.conftest import empty_board


def test_the_newest_prediction_comes_with_prices_quality_and_the_other_models(board: Board) -> None:
    """Latest says what the champion expects, as returns and as prices, and what the others say."""
    (row,) = board.latest("BTCUSDT").predictions
    assert (row.second, row.model, row.role, row.stale) == (SECOND, "tf-20260528-2010", "champion", False)
    first = row.forecasts[0]
    assert row.mid is not None
    assert first.price is not None
    low, high = first.prices["0.05"], first.prices["0.95"]
    assert low is not None
    assert high is not None
    assert first.price == pytest.approx(row.mid * np.exp(first.mean))
    assert low < first.price < high
    assert [other.model for other in row.others] == ["ridge-20260528-2010", "naive"]


def test_a_prediction_turns_stale_by_the_exchange_clock() -> None:
    """Five seconds of exchange time without a newer one mark it stale; at speed 20 that is a quarter of a second."""
    for speed, later_ms, stale in [(1, 4_000, False), (1, 6_000, True), (20, 200, False), (20, 300, True)]:
        board = empty_board(examples.closed_ms(SECOND) + later_ms, speed=speed)
        board.update([predictions()])
        assert board.latest("BTCUSDT").predictions[0].stale is stale


def test_an_unpriced_symbol_has_no_prices() -> None:
    """Without a mid there are returns, but no prices."""
    board = empty_board()
    board.update([msgspec.structs.replace(predictions(), mid=[0.0], priced=[False])])
    (row,) = board.latest("BTCUSDT").predictions
    assert row.mid is None
    price = row.forecasts[0].price
    assert price is not None
    assert np.isnan(price)
