"""A board of hand-made records."""

import pytest

from app.api import examples
from app.api.examples import SECOND
from app.board.board import Board
from app.settings import Settings


@pytest.fixture
def board() -> Board:
    """Return a board of thirty seconds."""
    return examples.board()


def empty_board(wall_ms: float = examples.closed_ms(SECOND), **settings: object) -> Board:
    """Return an empty board with a fixed wall clock."""
    return Board(Settings(**settings), now_ms=lambda: wall_ms)  # type: ignore[arg-type]
