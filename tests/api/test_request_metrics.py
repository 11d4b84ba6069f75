"""Metrics of the API's requests."""

import httpx


async def test_requests_are_measured_by_route(client: httpx.AsyncClient) -> None:
    """Prometheus has one series per route, and unknown paths share one."""
    for path in ("/v1/models", "/a/b", "/c/d"):
        await client.get(path)
    text = (await client.get("/metrics")).text
    assert 'btc_api_requests_total{method="GET",route="/v1/models",status="200"}' in text
    assert 'route="other"' in text
    assert "/a/b" not in text


async def test_apdex_counts_what_people_waited(client: httpx.AsyncClient) -> None:
    """Status shows this replica's Apdex, latencies and users."""
    await client.get("/v1/models")
    api = (await client.get("/v1/status")).json()["api"]
    assert (api["apdex"], api["users"], api["requests"]) == (1.0, 1, 1)


async def test_failures_of_what_users_ask_for_have_series_from_the_start(client: httpx.AsyncClient) -> None:
    """Prometheus sees no increase in a series that begins with its first failure."""
    text = (await client.get("/metrics")).text
    assert 'btc_api_requests_total{method="GET",route="/v1/bars",status="503"}' in text


async def test_apdex_counts_no_probe_and_no_page(client: httpx.AsyncClient) -> None:
    """Only what users ask for under /v1/."""
    for path in ("/healthz", "/readyz", "/docs", "/metrics", "/"):
        await client.get(path)
    assert (await client.get("/v1/status")).json()["api"]["requests"] == 0
