"""What a board accepts, and what makes an answer old."""

from app.api.examples import SECOND, bars, heartbeat, predictions
from app.board.board import Board
from tests.board.conftest import empty_board


def test_a_second_that_is_stored_already_is_dropped() -> None:
    """The first of two batches of one second wins."""
    board = empty_board()
    board.update([predictions(flags=("gapped",)), predictions(flags=("late",))])
    assert board.latest("BTCUSDT").predictions[0].flags == ["gapped"]


def test_a_batch_of_a_replaced_collector_is_refused() -> None:
    """A batch of a lower generation is refused, even for a newer second."""
    board = empty_board()
    board.update([bars(generation=7), predictions(generation=7), predictions(SECOND + 1, generation=6)])
    board.update([bars(SECOND + 1, generation=6)])
    assert board.status().second == SECOND
    assert board.bars("BTCUSDT").second.tolist() == [SECOND]


def test_an_older_second_fills_its_gap_but_is_not_the_newest() -> None:
    """A second that comes late is added to the history and leaves the newest alone."""
    board = empty_board()
    board.update([predictions(SECOND), predictions(SECOND - 2)])
    assert board.latest("BTCUSDT").predictions[0].second == SECOND
    assert board.history("BTCUSDT").second.tolist() == [SECOND - 2, SECOND]


def test_every_kind_of_answer_has_its_own_version(board: Board) -> None:
    """A heartbeat makes the status old, not the bars."""
    before = board.versions.copy()
    board.update([heartbeat("trainer")])
    assert {kind for kind in board.versions if board.versions[kind] != before[kind]} == {"status"}
