"""A client for a running exchange."""

from collections.abc import AsyncIterator

import httpx
import pytest


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    """Return a plain HTTP client that uses no proxy."""
    async with httpx.AsyncClient(trust_env=False) as client:
        yield client
