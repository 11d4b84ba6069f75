"""Unknown symbols."""

import pytest

from app.board.board import Board, UnknownSymbolError


def test_an_unknown_symbol_is_answered_with_the_known_ones(board: Board) -> None:
    """The error says which symbols there are."""
    with pytest.raises(UnknownSymbolError, match="DOGEUSD is not known; known are: BTCUSDT"):
        board.bars("DOGEUSD")
