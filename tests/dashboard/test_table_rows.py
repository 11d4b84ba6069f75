"""Rows and tiles."""

import numpy as np
import pytest
from msgspec.structs import replace

from app.board.board import Board
from app.board.columns import no_bars
from app.clock import wall_ms
from app.dashboard import table_rows
from tests.dashboard.feed import MODELS, filled_board


@pytest.fixture(scope="module")
def board() -> Board:
    """Return a board with two symbols."""
    return filled_board(("BTCUSDT", "ETHUSDT"), seconds=120)[0]


def test_every_row_has_a_cell_for_each_column(board: Board) -> None:
    """Tables fit their heads."""
    prediction, models, status = board.latest("BTCUSDT").predictions[0], board.models(), board.status()
    resources = {table_rows.label(beat): board.resources(beat.process, beat.instance) for beat in status.processes}
    for columns, found in (
        (table_rows.FORECAST, table_rows.forecast(prediction)),
        (table_rows.opinion_columns(prediction), table_rows.opinions(prediction)),
        (table_rows.SCORES, table_rows.scores(board.scores("BTCUSDT").scores)),
        (table_rows.RUNNING, table_rows.running(models)),
        (table_rows.RELEASES, table_rows.releases(models.releases)),
        (table_rows.SERVED, table_rows.served([("naive", 1, 2)])),
        (table_rows.PROCESSES, table_rows.processes(status.processes, resources, wall_ms())),
        (table_rows.DEAD, table_rows.dead_letters(status.dead.last)),
    ):
        assert all(len(row) == len(columns) for row in found)


def test_the_forecast_is_in_basis_points_and_prices(board: Board) -> None:
    """One row per horizon."""
    found = table_rows.forecast(board.latest("BTCUSDT").predictions[0])
    assert [row[0] for row in found] == ["5 s", "10 s", "30 s", "1 min", "5 min"]
    assert all(row[1].endswith(" bp") for row in found)


def test_the_serving_model_comes_first(board: Board) -> None:
    """The model that serves comes first and is marked."""
    found = table_rows.running(board.models())
    assert found[0][0] == MODELS[0][0]
    assert "serves" in found[0][3]


def test_a_silent_process_is_late(board: Board) -> None:
    """Its badge says for how long."""
    beat = replace(board.status().processes[0], alive=False, age_s=42.0)
    empty = {
        name: np.zeros(0) for name in ("at_ms", "net_received_mb", "net_sent_mb", "disk_read_mb", "disk_written_mb")
    }
    (row,) = table_rows.processes([beat], {table_rows.label(beat): empty}, wall_ms())
    assert "late" in row[1]
    assert "silent for 42 s" in row[1]


def test_users_are_those_of_api_and_dashboard(board: Board) -> None:
    """Three at the API, one at the dashboard."""
    assert table_rows.visitors(board.status()) == 4.0


def test_replicas_have_different_names(board: Board) -> None:
    """The first one needs no number."""
    beat = replace(board.status().processes[0], process="api")
    assert table_rows.label(replace(beat, instance="0")) == "api"
    assert table_rows.label(replace(beat, instance="2")) == "api 2"


def test_spread_and_change_survive_missing_quotes(board: Board) -> None:
    """Without quotes there are dashes."""
    prediction = replace(board.latest("BTCUSDT").predictions[0], mid=None)
    channels = {name: np.array([np.nan]) for name in ("bid", "ask", "mid")}
    bars = replace(no_bars("BTCUSDT"), second=np.array([1]), channels=channels)
    tiles = table_rows.price_tiles(prediction, bars)
    assert [value for _, value, _ in tiles][:3] == ["–", "– bp", "–"]
