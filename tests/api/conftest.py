"""An API over a board of hand-made records: `client`, and `api` for other settings."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from app.api import create_app, examples
from app.settings import Settings

Make = Callable[..., httpx.AsyncClient]


def client_of(**settings: Any) -> httpx.AsyncClient:
    """Return a client of an API with these settings, and its board as `.board`."""
    chosen = Settings(**{"api_rate_limit": 0, **settings})
    app = create_app(chosen, examples.board(chosen))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://api")


@pytest.fixture
async def api() -> AsyncIterator[Make]:
    """Return a maker of clients."""
    made: list[httpx.AsyncClient] = []

    def make(**settings: Any) -> httpx.AsyncClient:
        made.append(client_of(**settings))
        return made[-1]

    yield make
    for client in made:
        await client.aclose()


@pytest.fixture
def client(api: Make) -> httpx.AsyncClient:
    """Return a client of an API without keys and limits."""
    return api()
