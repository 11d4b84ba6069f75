"""What the Feed page says of gaps."""

import pytest

from app.board.board import Board
from app.board.views import SymbolFeed
from app.clock import wall_ms
from app.dashboard import feed_tables
from tests.dashboard.feed import filled_board, ledger


@pytest.fixture(scope="module")
def board() -> Board:
    """Return a board of two symbols, one of them with gaps of every kind."""
    board, _ = filled_board(("BTCUSDT", "ETHUSDT"), seconds=60)
    board.update(list(ledger("BTCUSDT", wall_ms())))
    return board


def symbols(board: Board) -> list[SymbolFeed]:
    """Return the feed of every symbol."""
    return board.feed().symbols


def test_every_row_has_a_cell_for_each_column(board: Board) -> None:
    """Tables fit their heads."""
    for columns, found in (
        (feed_tables.SYMBOLS, feed_tables.symbols(symbols(board))),
        (feed_tables.GAPS, feed_tables.gaps(symbols(board), board.exchange_s())),
    ):
        assert found
        assert all(len(row) == len(columns) for row in found)


def test_open_gaps_come_first_with_what_is_filled_so_far(board: Board) -> None:
    """Then the closed ones, the last closed first; quotes count seconds."""
    found = feed_tables.gaps(symbols(board), board.exchange_s())
    assert ["open" in row[2] for row in found] == [True, True, False, False, False]
    trades = next(row for row in found if row[3] == "disconnected")
    assert (trades[4], trades[5]) == ("1,441 ids", "800 of 1,441")
    assert [row[4] for row in found if row[1] == "quotes" and "lost" in row[2]] == ["40.0 s"]


def test_the_verdict_tells_open_lost_old_and_none_apart(board: Board) -> None:
    """An empty ledger says so; what was lost is not called good."""
    assert "2 gaps open now" in feed_tables.verdict(symbols(board))
    here, other = symbols(board)
    assert "holds no old one" in feed_tables.verdict([other])
    here.open_gaps = []
    assert "trade ids of the last hour are lost" in feed_tables.verdict([here])
    here.missing_ids = 0
    assert "the last 3 are closed" in feed_tables.verdict([here])


def test_one_id_of_a_million_is_not_rounded_away() -> None:
    """100 % is said only where nothing is missing."""
    assert feed_tables.complete(1 - 1e-6) == "99.99 %"
    assert feed_tables.complete(None) == "–"
