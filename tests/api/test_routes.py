"""The REST routes: their answers, their shapes, their pages."""

from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.api import create_app, examples, responses
from app.api.encoding import decode
from app.api.examples import SECOND
from app.board import views
from app.board.board import Board
from app.settings import Settings

ASKED: dict[str, type[msgspec.Struct]] = {
    "/v1/predictions/latest": views.LatestPredictions,
    "/v1/predictions/latest?symbol=btcusdt": views.LatestPredictions,
    "/v1/predictions?symbol=BTCUSDT": views.PastPredictions,
    "/v1/bars?symbol=BTCUSDT": views.PastBars,
    "/v1/outcomes?symbol=BTCUSDT&horizon_s=10": views.PastOutcomes,
    "/v1/scores": views.Scores,
    "/v1/models": views.Models,
    "/v1/feed": views.Feed,
    "/v1/status": responses.Status,
}


@pytest.mark.parametrize(("path", "view"), ASKED.items())
async def test_every_answer_has_the_shape_its_documentation_says(
    client: httpx.AsyncClient, path: str, view: type[msgspec.Struct]
) -> None:
    """Each answer decodes into its documented shape, with no field more."""
    answer = await client.get(path)
    assert answer.status_code == 200
    decode(answer.content, view)


async def test_pages_go_forward_from_their_beginning(client: httpx.AsyncClient) -> None:
    """Following `next_from` reads every second once, in order."""
    start, read = SECOND - 19, []
    for _ in range(10):
        page = (await client.get(f"/v1/bars?symbol=BTCUSDT&from={start}&limit=8")).json()
        read += page["second"]
        if page["next_from"] is None:
            break
        start = page["next_from"]
    assert read == list(range(SECOND - 19, SECOND + 1))


async def test_without_a_beginning_the_newest_come(client: httpx.AsyncClient) -> None:
    """`limit` without `from` counts back from the end."""
    page = (await client.get("/v1/predictions?symbol=BTCUSDT&limit=3&horizon_s=10")).json()
    assert page["second"] == [SECOND - 2, SECOND - 1, SECOND]
    assert list(page["horizons"]) == ["10"]


async def test_an_empty_board_says_so() -> None:
    """Before the first prediction the answer is 503 with the reason, and when to try again."""
    app = create_app(Settings(), Board(Settings()))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as client:
        answer = await client.get("/v1/predictions/latest")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
        assert "there is no prediction yet" in answer.json()["detail"]
        assert (await client.get("/readyz")).status_code == 503
        assert (await client.get("/healthz")).status_code == 200
        for path in ("/v1/scores", "/v1/models", "/v1/feed", "/v1/status"):
            assert (await client.get(path)).status_code == 200


async def test_old_predictions_are_stale_and_the_api_is_ready_all_the_same() -> None:
    """Another replica has nothing newer while Kafka answers; the clients see the flag."""
    board = Board(Settings(), now_ms=lambda: 1000.0 * (SECOND + 98))
    board.update(list(examples.stream()))
    board._follower.filled.set()
    transport = httpx.ASGITransport(create_app(Settings(), board))
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        assert (await client.get("/v1/status")).json()["stale"] is True
        assert (await client.get("/readyz")).status_code == 200
        assert (await client.get("/healthz")).status_code == 200


OUTSIDE = httpx.ASGITransport(create_app(Settings(api_rate_limit=0), examples.board()), raise_app_exceptions=False)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    path=st.sampled_from(["/v1/predictions", "/v1/bars", "/v1/outcomes", "/v1/predictions/latest", "/v1/scores"]),
    query=st.dictionaries(
        st.sampled_from(["symbol", "from", "to", "limit", "horizon_s"]),
        st.one_of(st.integers(-(10**20), 10**20).map(str), st.sampled_from(["BTCUSDT", "*", "", "nan"]), st.text()),
    ),
)
async def test_no_request_breaks_the_api(path: str, query: dict[str, Any]) -> None:
    """Whatever is asked is answered, or refused with a client error."""
    async with httpx.AsyncClient(transport=OUTSIDE, base_url="http://api") as client:
        try:
            answer = await client.get(path, params=query)
        except UnicodeEncodeError:  # httpx will not send it
            return
    assert answer.status_code in {200, 404, 422}
