"""The documentation: complete, with real examples."""

import re
from typing import Any

import httpx
import msgspec
import pytest

from app.api import responses
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
    assert {*document["paths"], "/v1/stream"} == {path for path in ROUTES if path.startswith("/v1/")}
    for path in document["paths"].values():
        operation = path["get"]
        assert operation["summary"]
        assert "example" in operation["responses"]["200"]["content"]["application/json"]
        assert {"304", "401", "404", "422", "429", "503"} <= set(operation["responses"])
        assert all("description" in parameter for parameter in operation.get("parameters", []))


async def test_every_example_has_the_documented_shape(document: Document) -> None:
    """Examples are real answers, so they decode."""
    views = {view.__name__: view for view in responses.ALL}
    for path in document["paths"].values():
        good = path["get"]["responses"]["200"]["content"]["application/json"]
        view = views[good["schema"]["$ref"].rsplit("/", 1)[1]]
        decode(msgspec.json.encode(good["example"]), view)


async def test_every_reference_is_defined(document: Document) -> None:
    """No schema is missing."""
    named = set(re.findall(r"#/components/schemas/(\w+)", msgspec.json.encode(document).decode()))
    assert named <= set(document["components"]["schemas"])
