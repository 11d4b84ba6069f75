"""Errors as problem details."""

import httpx
import pytest


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/v1/bars?symbol=DOGE", 404, "symbol DOGE is not known; known are: BTCUSDT"),
        ("/v1/predictions/latest?symbol=DOGE", 404, "known are: BTCUSDT"),
        ("/v1/bars", 422, "symbol: Field required"),
        ("/v1/bars?symbol=BTCUSDT&limit=0", 422, "limit"),
        ("/v1/bars?symbol=BTCUSDT&from=9&to=8", 422, "from (9) is after to (8)"),
        ("/v1/outcomes?symbol=BTCUSDT&horizon_s=7", 422, "forecast are: 5, 10, 30, 60, 300"),
        ("/v1/bars?symbol=%00", 422, "symbol"),
        ("/v2/nothing", 404, "/docs lists what there is"),
        ("/nothing.js", 404, "/docs lists what there is"),
    ],
)
async def test_every_error_is_a_problem_that_says_what_to_do(
    client: httpx.AsyncClient, path: str, status: int, said: str
) -> None:
    """Errors are RFC 9457 problem details in one clear sentence."""
    answer = await client.get(path)
    problem = answer.json()
    assert (answer.status_code, problem["status"]) == (status, status)
    assert answer.headers["content-type"] == "application/problem+json"
    assert said in problem["detail"]


async def test_writing_is_not_possible(client: httpx.AsyncClient) -> None:
    """A method that is not there is a problem too."""
    answer = await client.post("/v1/bars")
    assert (answer.status_code, answer.headers["content-type"]) == (405, "application/problem+json")


async def test_an_error_of_the_server_is_a_problem_without_its_cause(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log has the cause, the client has not."""
    logged: list[str] = []
    monkeypatch.setattr("app.board.board.Board.feed", lambda _self: 1 / 0)
    monkeypatch.setattr("app.api.problems.log.error", lambda what, **_more: logged.append(what), raising=False)
    answer = await client.get("/v1/feed")
    assert answer.status_code == 500
    assert "division" not in answer.text
    assert logged == ["answer failed"]
