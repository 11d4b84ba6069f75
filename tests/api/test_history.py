"""Histories that begin before the board: the archive's rows and the board's seconds as one."""

from types import SimpleNamespace
from typing import Any

import httpx
import numpy as np
import pytest

from app.api.encoding import decode
from app.api.examples import LEVELS, MODELS, SECOND, predictions, price
from app.api.history import Span
from app.archive.parquet import ArchiveError
from app.board.views import PastBars, PastOutcomes, PastPredictions
from tests.api.conftest import Make

FIRST = SECOND - 29  # the oldest second of the example's board
Row = dict[str, Any]


def archived_predictions(second: int) -> list[Row]:
    """Return one second's rows as the archive has them: one per model and horizon."""
    batch = predictions(second)
    return [
        {"second": second, "symbol": "BTCUSDT", "model": one.model, "champion": one.model == MODELS[0][0],
         "mid": price(second), "volatility": 4e-5, "flags": [], "horizon_s": horizon_s, "mean": one.mean[0][place],
         **{f"q{int(level * 100):02}": one.quantiles[0][place][rank] for rank, level in enumerate(LEVELS)}}
        for one in batch.forecasts
        for place, horizon_s in enumerate(batch.horizons_s)
    ]  # fmt: skip


@pytest.fixture
def archive(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Stand in for the archive: a hundred seconds before the board and those the board has; returns what was asked."""
    asked = []

    async def history(_settings: object, table: str, symbol: str, from_s: int, to_s: int, *, limit: int) -> list[Row]:
        asked.append(table)
        seconds = range(max(from_s, FIRST - 100), min(to_s, SECOND - 10))
        rows: list[Row] = []
        for second in seconds:
            if table == "predictions":
                rows += archived_predictions(second)
            elif table == "bars":
                rows.append({"second": second, "symbol": symbol, "flags": [], "price": price(second), "mid": 0.0,
                             "traded": 1.0, "quoted": 0.0, "closed_ms": 0.0})  # fmt: skip
            else:
                rows += [{"origin": second - 10, "horizon_s": 10, "realised": 1e-4, "second": second}]
        return rows[:limit]

    monkeypatch.setattr("app.archive.query.history", history)
    return asked


async def test_a_page_runs_from_the_archive_into_the_board(client: httpx.AsyncClient, archive: list[str]) -> None:
    """Sixty seconds that begin before the board come without gap or repeat."""
    answer = await client.get(f"/v1/predictions?symbol=BTCUSDT&from={FIRST - 20}&limit=60")
    view = decode(answer.content, PastPredictions)
    assert view.second.tolist() == list(range(FIRST - 20, SECOND + 1))
    assert view.horizons["10"].realised[0] == 1e-4
    settled_on_the_board = view.second.tolist().index(SECOND - 10)
    assert view.horizons["10"].realised[settled_on_the_board] == pytest.approx(1.5e-4)
    assert set(view.model) == {MODELS[0][0]}
    assert archive == ["predictions", "outcomes"]


async def test_what_the_board_has_is_not_asked_of_the_archive(client: httpx.AsyncClient, archive: list[str]) -> None:
    """Only a span that begins before the board goes to the disk."""
    await client.get(f"/v1/predictions?symbol=BTCUSDT&from={FIRST}")
    await client.get("/v1/bars?symbol=BTCUSDT")
    assert archive == []


async def test_archived_bars_have_the_shape_of_the_boards(client: httpx.AsyncClient, archive: list[str]) -> None:
    """What a mask denies is null there too, and paging goes on."""
    answer = await client.get(f"/v1/bars?symbol=BTCUSDT&from={FIRST - 50}&limit=10")
    view = decode(answer.content, PastBars)
    assert view.second.tolist() == list(range(FIRST - 50, FIRST - 40))
    assert view.channels["price"][0] == price(FIRST - 50)
    assert np.isnan(view.channels["mid"][0])
    assert view.next_from == FIRST - 40
    assert archive == ["bars"]


async def test_archived_outcomes_are_the_settled_ones(client: httpx.AsyncClient, archive: list[str]) -> None:
    """Each comes with its forecast."""
    answer = await client.get(f"/v1/outcomes?symbol=BTCUSDT&horizon_s=10&from={FIRST - 20}&limit=10")
    view = decode(answer.content, PastOutcomes)
    assert view.second.tolist() == list(range(FIRST - 20, FIRST - 10))
    assert set(view.realised.tolist()) == {1e-4}
    assert view.next_from == FIRST - 10
    assert archive == ["predictions", "outcomes"]


async def test_an_archive_that_fails_is_a_problem(api: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the reason, and when to try again."""

    async def history(*_asked: object, **_how: object) -> list[Row]:
        raise ArchiveError("the archive took longer than 10 s")

    monkeypatch.setattr("app.archive.query.history", history)
    answer = await api().get(f"/v1/bars?symbol=BTCUSDT&from={FIRST - 50}")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "took longer" in answer.json()["detail"]


def test_a_page_ends_where_it_was_asked_to() -> None:
    """No next page beyond `to`."""
    assert Span("X", 0, 4, 5).next_from(np.arange(5)) is None
    assert Span("X", 0, 9, 5).next_from(np.arange(5)) == 5
    assert Span("X", None, 9, 5).next_from(np.arange(5, 10)) is None


async def test_an_empty_archive_leaves_the_page_to_the_board(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A span that begins before the board gets the board's seconds."""

    async def nothing(*_asked: object, **_how: object) -> list[Row]:
        return []

    monkeypatch.setattr("app.archive.query.history", nothing)
    for path in ("bars?", "predictions?", "outcomes?horizon_s=10&"):
        answer = await client.get(f"/v1/{path}symbol=BTCUSDT&from={FIRST - 5}&to={FIRST + 1}")
        assert answer.json()["second"] == [FIRST, FIRST + 1]


async def test_a_page_that_the_archive_cannot_fill_at_once_goes_on(
    client: httpx.AsyncClient, archive: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """More rows per second than expected: the page is shorter than its limit, and following it misses no second."""
    monkeypatch.setattr("app.api.history.LEAST_MODELS", 0)
    monkeypatch.setattr("app.board.board.Board.models", lambda _self: SimpleNamespace(running=[None]))
    start, found = FIRST - 20, []
    while start is not None and start < FIRST:
        page = (await client.get(f"/v1/predictions?symbol=BTCUSDT&from={start}&to={FIRST - 1}&limit=8")).json()
        found += page["second"]
        assert len(page["second"]) < 8
        start = page["next_from"]
    assert found == list(range(FIRST - 20, FIRST))
