"""Keys and rates."""

import httpx
import pytest

from app.api.access import RateLimits
from tests.api.conftest import Make

PATH = "/v1/predictions/latest"


async def test_without_a_valid_key_nothing_under_v1_is_answered(api: Make) -> None:
    """No key, a wrong key and a right one."""
    client = api(api_keys="first,second")
    assert (await client.get(PATH)).status_code == 401
    refused = await client.get(PATH, headers={"X-API-Key": "secon"})
    assert (refused.status_code, refused.headers["content-type"]) == (401, "application/problem+json")
    for key in ("first", "second"):
        assert (await client.get(PATH, headers={"X-API-Key": key})).status_code == 200


async def test_an_answer_in_memory_is_guarded_too(api: Make) -> None:
    """What was answered to a key is not answered without one."""
    client = api(api_keys="k")
    allowed = await client.get(PATH, headers={"X-API-Key": "k"})
    assert allowed.headers["cache-control"] == "private, no-cache"
    assert (await client.get(PATH)).status_code == 401


@pytest.mark.parametrize("path", ["/", "/docs", "/openapi.json", "/healthz", "/metrics", "/page.js"])
async def test_pages_health_and_documentation_need_no_key(api: Make, path: str) -> None:
    """Only /v1 is guarded."""
    assert (await api(api_keys="k").get(path)).status_code == 200


async def test_too_many_requests_are_told_when_to_come_back(api: Make) -> None:
    """The limit holds, with Retry-After; health is not counted."""
    client = api(api_rate_limit=2)
    assert [(await client.get(PATH)).status_code for _ in range(3)] == [200, 200, 429]
    refused = await client.get(PATH)
    assert 1 <= int(refused.headers["retry-after"]) <= 30
    assert (await client.get("/healthz")).status_code == 200


async def test_each_key_has_its_own_rate(api: Make) -> None:
    """One client that asks too much does not cost another its answers."""
    client = api(api_keys="a,b", api_rate_limit=1)
    statuses = [(await client.get(PATH, headers={"X-API-Key": key})).status_code for key in ("a", "a", "b")]
    assert statuses == [200, 429, 200]


def test_buckets_refill_evenly() -> None:
    """Sixty a minute is one a second."""
    now = 0.0
    buckets = RateLimits(60, now_s=lambda: now)
    assert [buckets.wait_s("x") for _ in range(61)][-1] == pytest.approx(1.0)
    now = 1.0
    assert buckets.wait_s("x") == 0.0


def test_the_table_of_buckets_is_bounded() -> None:
    """A flood of addresses does not fill the memory."""
    buckets = RateLimits(60, most=100)
    for number in range(1000):
        buckets.wait_s(str(number))
    assert len(buckets._buckets) == 100


async def test_only_named_origins_may_call_from_a_browser(api: Make) -> None:
    """CORS headers are for the origins of the settings."""
    client: httpx.AsyncClient = api(api_cors_origins="https://good.example")
    for origin, allowed in [("https://good.example", "https://good.example"), ("https://bad.example", None)]:
        answer = await client.get(PATH, headers={"Origin": origin})
        assert answer.headers.get("access-control-allow-origin") == allowed
