"""Answers that are encoded once."""

import httpx
import pytest

from app.api import create_app, examples
from app.api.examples import SECOND
from app.settings import Settings
from tests.api.test_routes import ASKED


@pytest.mark.parametrize("path", ASKED)
async def test_an_unchanged_answer_costs_a_304(client: httpx.AsyncClient, path: str) -> None:
    """The ETag of the first answer, sent back, is answered without a body."""
    first = await client.get(path)
    again = await client.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["cache-control"] == "no-cache"


async def test_an_answer_is_encoded_anew_when_the_board_has_something_newer() -> None:
    """What is remembered is never older than the board."""
    shown = examples.board()
    app = create_app(Settings(api_rate_limit=0), shown)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as client:
        path = "/v1/bars?symbol=BTCUSDT&limit=1"
        assert (await client.get(path)).json()["second"] == [SECOND]
        shown.update([examples.bars(SECOND + 1)])
        assert (await client.get(path)).json()["second"] == [SECOND + 1]


async def test_large_answers_are_compressed_for_those_who_can(client: httpx.AsyncClient) -> None:
    """Gzip is sent only where it was asked for."""
    path = "/v1/predictions?symbol=BTCUSDT"
    plain = await client.get(path, headers={"Accept-Encoding": "identity"})
    small = await client.get(path, headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in plain.headers
    assert small.headers["content-encoding"] == "gzip"
    assert int(small.headers["content-length"]) < len(plain.content)
    assert small.content == plain.content
