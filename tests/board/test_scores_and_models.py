"""Scores and models."""

from app.api.examples import predictions, release
from app.board.board import Board
from tests.board.conftest import empty_board


def test_models_name_the_champion_and_the_role_of_tensorflow() -> None:
    """The champion's name, TensorFlow's role, and releases without their artifacts."""
    board = empty_board()
    board.update([release(), predictions()])
    models = board.models()
    assert (models.champion, models.tensorflow) == ("tf-20260528-2010", "champion")
    assert models.releases[0].id == "tf-20260528-2010"
    board._state.remove_release("tf-20260528-2010")
    assert board.models().releases == []


def test_scores_are_those_of_the_newest_second(board: Board) -> None:
    """Each symbol, model and horizon has one row."""
    assert len(board.scores().scores) == 6
    assert {row.symbol for row in board.scores("*").scores} == {"*"}
    assert board.scores("BTCUSDT").settled_total["10"] == 1200
