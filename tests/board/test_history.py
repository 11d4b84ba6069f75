"""The history: its shape, its symbols, its budget."""

from app.api.examples import SECOND, bars, outcomes, predictions
from app.board.history import flags_of, marks_of
from tests.board.conftest import empty_board


def test_other_horizons_than_before_replace_the_history() -> None:
    """A release with other horizons starts the forecasts' history anew instead of mixing columns."""
    board = empty_board()
    board.update([predictions(SECOND), outcomes(SECOND), predictions(SECOND + 1, horizons_s=(5, 20))])
    assert board.horizons_s == (5, 20)
    assert board.history("BTCUSDT").second.tolist() == [SECOND + 1]


def test_a_new_symbol_and_a_new_partition_join_at_any_time() -> None:
    """Symbols come and go; each is found in its partition."""
    board = empty_board()
    board.update([predictions(), predictions(SECOND, ("ETHUSDT", "XRPUSDT"), partition=3)])
    board.update([predictions(SECOND + 1, ("ETHUSDT", "SOLUSDT", "XRPUSDT"), partition=3)])
    assert board.symbols == ("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT")
    assert board.history("SOLUSDT").second.tolist() == [SECOND + 1]
    assert board.history("XRPUSDT").second.tolist() == [SECOND, SECOND + 1]


def test_the_board_stays_within_its_bytes() -> None:
    """More symbols mean fewer seconds, never more memory."""
    board = empty_board(board_max_bytes=2**20)
    names = tuple(f"S{number:03}" for number in range(20))
    for second in range(SECOND, SECOND + 400):
        board.update([bars(second, names), predictions(second, names), outcomes(second, names)])
    assert board._state.history.size_bytes <= 2**20
    assert 60 <= board._state.history.capacity < 400
    held = board.history("S000").second
    assert held[-1] == SECOND + 399
    assert len(held) == board._state.history.capacity


def test_flags_survive_their_bits() -> None:
    """Seven flags fit a byte; an unknown one is left out."""
    assert flags_of(int(marks_of([["late", "fallback", "from_the_future"]])[0])) == ["late", "fallback"]
