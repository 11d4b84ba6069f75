"""The pages, run by Streamlit's own test client on boards without a broker."""

import pytest
from streamlit.testing.v1 import AppTest

from app.board.board import Board
from app.clock import wall_ms
from app.dashboard import shared_board
from app.settings import Settings
from tests.dashboard.feed import filled_board, ledger

PAGES = ("live", "accuracy", "feed", "models", "system")


def run(page: str, board: Board) -> AppTest:
    """Run one page on a board; return what it drew."""
    shared_board.share(board)
    script = f"from app.dashboard.views import {page}\n{page}.page()\n"
    return AppTest.from_string(script, default_timeout=20).run()


def text(app: AppTest) -> str:
    """Return all HTML of a page."""
    return " ".join(str(element.proto.body) for element in app.get("html"))


@pytest.fixture(scope="module")
def board() -> Board:
    """Return a board with two symbols."""
    return filled_board(("BTCUSDT", "ETHUSDT"), seconds=330)[0]


@pytest.mark.parametrize("page", PAGES)
def test_a_page_draws_a_filled_board(page: str, board: Board) -> None:
    """Every page shows where the data come from and no error."""
    app = run(page, board)
    assert not app.exception
    assert "emulator synthetic-7" in text(app)


@pytest.mark.parametrize("page", PAGES)
def test_an_empty_board_is_one_friendly_line(page: str) -> None:
    """Before anything arrives no page breaks; each says what is missing."""
    app = run(page, Board(Settings(source="synthetic-7")))
    assert not app.exception
    assert "Waiting for Kafka" in text(app)


@pytest.mark.parametrize("page", PAGES)
def test_bars_without_predictions_do_not_break_a_page(page: str) -> None:
    """Between the first second and the first prediction the pages stay up."""
    board = Board(Settings(source="synthetic-7"))
    _, market = filled_board(seconds=1)
    board.update(market.second(1_700_000_000, 1_700_000_001_060.0)[:1])
    app = run(page, board)
    assert not app.exception


def test_the_live_page_names_model_and_flags() -> None:
    """Flags appear with their meaning; so does the model that serves."""
    board, market = filled_board(seconds=30)
    newest = board.latest("BTCUSDT").predictions[0].second
    board.update(market.second(newest + 1, (newest + 2) * 1000.0, flags=("fallback",)))
    shown = text(run("live", board))
    assert "No trained model serves" in shown
    assert "tf-20261122-2300" in shown


def test_stale_data_turn_the_page_grey() -> None:
    """An old board is marked as such."""
    board, _ = filled_board(seconds=30)
    _, market = filled_board(seconds=1)
    old = Board(Settings(source="synthetic-7"))
    old.update(market.second(1_700_000_000, 1_700_000_001_060.0))
    shown = text(run("live", old))
    assert "b-stale-mark" in shown
    assert "stale: nothing new for" in shown
    assert "b-stale-mark" not in text(run("live", board))


def test_another_symbol_can_be_chosen(board: Board) -> None:
    """The choice of symbol changes what the page shows."""
    app = run("live", board)
    app.selectbox(key="symbol").select("ETHUSDT").run()
    assert not app.exception
    assert "<b>ETHUSDT</b>" in text(app)


def test_accuracy_shows_the_chosen_horizon(board: Board) -> None:
    """At five seconds there is skill, at sixty there is none."""
    app = run("accuracy", board)
    assert "has skill 5 s ahead" in text(app)
    app.button_group(key="horizon").set_value("60 s").run()
    assert "No skill now" in text(app)


def test_a_script_without_the_launcher_says_so() -> None:
    """`streamlit run` is answered with what to do."""
    shared_board._shared.clear()
    with pytest.raises(RuntimeError, match="btc dashboard"):
        shared_board.board()


def test_the_feed_page_names_gaps_or_says_that_there_are_none(board: Board) -> None:
    """An empty table would look like a page that broke."""
    assert "No gap is open, and the ledger holds no old one." in text(run("feed", board))
    other, _ = filled_board(("BTCUSDT",), seconds=30)
    other.update(list(ledger("BTCUSDT", wall_ms())))
    shown = text(run("feed", other))
    assert "800 of 1,441" in shown
    assert "disconnected" in shown
