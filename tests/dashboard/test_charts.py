"""Figures: bounded, valid, and true to their data."""

import json

import numpy as np
import plotly.graph_objects as go
import pytest
from msgspec.structs import replace

from app.board.board import Board
from app.board.columns import no_bars, no_predictions, settled
from app.board.views import Latency
from app.dashboard import accuracy_charts, charts, feed_charts, live_charts, plotly_chart
from app.records import Score
from tests.dashboard.feed import LEVELS, MODELS, filled_board, score


@pytest.fixture(scope="module")
def board() -> Board:
    """Return a board with seven minutes of one symbol."""
    return filled_board(seconds=420)[0]


def valid(figure: charts.Figure) -> charts.Figure:
    """Let Plotly itself check a figure."""
    go.Figure(figure)
    return figure


def scores() -> list[Score]:
    """Return score rows of three models at five horizons."""
    return [score("BTCUSDT", *model, horizon) for model in MODELS for horizon in (5, 10, 30)]


def test_every_figure_is_valid_plotly(board: Board) -> None:
    """Plotly accepts what each chart builds from a real board."""
    bars, prediction = board.bars("BTCUSDT", 300), board.latest("BTCUSDT").predictions[0]
    past = live_charts.past_band(board.history("BTCUSDT", 300), 60)
    resources = {"worker": board.resources("worker", "0")}
    for figure in (
        live_charts.price_figure(bars, prediction, past, 300),
        accuracy_charts.skill_figure(scores()),
        accuracy_charts.coverage_figure(scores()),
        accuracy_charts.pit_figure(scores()[0]),
        accuracy_charts.errors_figure(board.outcomes("BTCUSDT", 5)),
        feed_charts.activity_figure(bars),
        feed_charts.latency_figure(board.status().latency),
        feed_charts.resources_figure(resources, "rss_mb", " MB"),
    ):
        assert valid(figure)["layout"]["uirevision"] == "constant"
        assert json.loads(plotly_chart.encoded(figure))["data"]


def test_charts_of_nothing_are_empty_not_errors() -> None:
    """A page at its first second draws empty charts."""
    bars, past = no_bars("BTCUSDT"), no_predictions("BTCUSDT")
    assert valid(live_charts.price_figure(bars, None, [], 300))["data"] == []
    assert live_charts.past_band(past, 60) == []
    assert valid(feed_charts.activity_figure(bars))["data"] == []
    assert valid(accuracy_charts.errors_figure(settled(past, 60)))
    assert valid(feed_charts.latency_figure({}))


def test_the_fan_grows_out_of_the_mid_and_ends_at_the_quantiles(board: Board) -> None:
    """Its first point is the newest mid, its last the price the quantile names."""
    prediction = board.latest("BTCUSDT").predictions[0]
    traces = live_charts.fan(prediction)
    assert all(trace["y"][0] == pytest.approx(prediction.mid) for trace in traces)
    assert traces[0]["y"][-1] == pytest.approx(prediction.forecasts[-1].prices["0.05"])
    assert traces[1]["y"][-1] == pytest.approx(prediction.forecasts[-1].prices["0.95"])
    assert traces[0]["x"][-1] == (prediction.second + 1 + 300) * 1000.0


def test_an_unpriced_symbol_has_no_fan(board: Board) -> None:
    """Without a mid there is nothing to grow from."""
    assert live_charts.fan(replace(board.latest("BTCUSDT").predictions[0], mid=None)) == []


def test_past_forecasts_stand_where_they_fell_due(board: Board) -> None:
    """A band for 60 s is drawn 60 s after the seconds it was made in."""
    history = board.history("BTCUSDT", 100)
    band = live_charts.past_band(history, 60)
    assert band[0]["x"][0] == (history.second[0] + 1 + 60) * 1000.0


def test_series_are_bounded_and_keep_the_newest() -> None:
    """An hour becomes at most 600 points, the last of them the newest."""
    found = charts.downsample({"second": np.arange(3601), "value": np.arange(3601)})
    assert len(found["second"]) <= charts.POINTS
    assert found["second"][-1] == 3600


def test_short_series_are_left_alone() -> None:
    """Five minutes keep each second."""
    assert len(charts.downsample({"second": np.arange(300)})["second"]) == 300


def test_gaps_are_not_bridged() -> None:
    """A line breaks where seconds are missing, and only there."""
    _, values = charts.with_gaps([1, 2, 3, 10, 11], [1.0, 1.0, 1.0, 2.0, 2.0])
    assert np.isnan(values).tolist() == [False, False, False, True, False, False]


def test_a_thinned_hour_has_no_false_gaps() -> None:
    """Every sixth second is no gap when all are six apart."""
    seconds, _ = charts.with_gaps(np.arange(0, 600, 6), np.arange(100))
    assert len(seconds) == 100


def test_waterfall_stages_stand_on_each_other() -> None:
    """A stage begins where the one before ends."""
    medians = {"close": 50.0, "features": 4.0, "predictions": 9.0, "board": 15.0, "outcomes": 12.0}
    latency = {stage: Latency(n=1, p50_ms=p50, p99_ms=p50 * 2) for stage, p50 in medians.items()}
    bar = feed_charts.latency_figure(latency)["data"][0]
    assert bar["base"] == [0.0, 0.0, 4.0, 9.0, 9.0]
    assert bar["x"] == [50.0, 4.0, 5.0, 6.0, 3.0]


def test_pit_of_perfect_quantiles_is_one_everywhere() -> None:
    """Shares as large as the bins give a flat histogram."""
    row = replace(scores()[0], pit=np.diff([0.0, *LEVELS, 1.0]).tolist())
    assert accuracy_charts.pit_figure(row)["data"][0]["y"] == pytest.approx(np.ones(6))


def test_each_kind_of_model_keeps_its_colour() -> None:
    """Colours do not depend on the order of the rows; a second model of a kind gets another one."""
    rows = scores()
    assert accuracy_charts.colours(rows)["ridge"] == accuracy_charts.colours(rows[::-1])["ridge"]
    twins = [replace(rows[0], model=name, kind="tensorflow") for name in ("a", "b")]
    assert len(set(accuracy_charts.colours(twins).values())) == 2


def test_uncertain_intervals_do_not_squeeze_the_skill_chart() -> None:
    """An interval of -1 … 1 does not set the scale."""
    rows = [replace(row, skill_low=-1.0, skill_high=1.0) for row in scores()]
    assert accuracy_charts.skill_figure(rows)["layout"]["yaxis"]["range"][1] < 0.1


def test_rates_come_from_counters() -> None:
    """Growth per second; none from a single sample; a restart counts as no growth."""
    columns = {"at_ms": np.array([0.0, 5000.0]), "x": np.array([1.0, 6.0])}
    assert feed_charts.rate_per_s(columns, "x") == 1.0
    assert feed_charts.rate_per_s({"at_ms": [0.0], "x": [1.0]}, "x") is None
    assert feed_charts.rate_per_s({"at_ms": [0.0, 1000.0], "x": [9.0, 1.0]}, "x") == 0.0


def test_a_figure_refuses_what_it_cannot_carry() -> None:
    """An object of another type is a mistake, not a null."""
    with pytest.raises(NotImplementedError, match="cannot hold object"):
        plotly_chart.encoded({"data": [object()]})
