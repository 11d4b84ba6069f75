"""The documentation: complete, with real examples, without the internet."""

import re
from typing import Any

import httpx
import msgspec
import pytest

from app.api import answers
from app.api.application import ROUTES
from app.api.encoding import decode

Document = dict[str, Any]


@pytest.fixture
async def document(client: httpx.AsyncClient) -> Document:
    """Return the OpenAPI document."""
    found: Document = (await client.get("/openapi.json")).json()
    return found


async def test_every_route_has_a_summary_a_description_an_example_and_problems(document: Document) -> None:
    """Nothing under /v1 is undocumented."""
    assert set(document["paths"]) == {path for path in ROUTES if path.startswith("/v1/")}
    for path in document["paths"].values():
        operation = path["get"]
        assert operation["summary"]
        assert "example" in operation["responses"]["200"]["content"]["application/json"]
        assert {"304", "401", "404", "422", "429", "503"} <= set(operation["responses"])
        assert all("description" in parameter for parameter in operation.get("parameters", []))


async def test_every_example_has_the_shape_beside_it(document: Document) -> None:
    """Examples are real answers, so they decode."""
    views = {view.__name__: view for view in answers.ALL}
    for path in document["paths"].values():
        good = path["get"]["responses"]["200"]["content"]["application/json"]
        view = views[good["schema"]["$ref"].rsplit("/", 1)[1]]
        decode(msgspec.json.encode(good["example"]), view)


async def test_every_reference_leads_somewhere(document: Document) -> None:
    """No schema is missing."""
    named = set(re.findall(r"#/components/schemas/(\w+)", msgspec.json.encode(document).decode()))
    assert named <= set(document["components"]["schemas"])


@pytest.mark.parametrize("page", ["/docs", "/"])
async def test_pages_reach_for_nothing_outside(client: httpx.AsyncClient, page: str) -> None:
    """Every script, style and picture comes from here."""
    html = (await client.get(page)).text
    parts = re.findall(r'(?:src|href)="([^"]+)"', html)
    assert parts
    for part in parts:
        assert not part.startswith(("http:", "https:", "//"))
        if not part.startswith("v1/"):
            assert (await client.get(f"/{part}")).status_code == 200


async def test_the_page_is_served_with_a_strict_policy_and_revalidated(client: httpx.AsyncClient) -> None:
    """No inline script, no foreign host; an unchanged page costs a 304."""
    page = await client.get("/")
    assert "default-src 'self'" in page.headers["content-security-policy"]
    again = await client.get("/", headers={"If-None-Match": page.headers["etag"]})
    assert again.status_code == 304


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
