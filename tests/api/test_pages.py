"""The pages of the API: self-contained, guarded by a policy, revalidated."""

import re

import httpx
import pytest


@pytest.mark.parametrize("page", ["/docs", "/"])
async def test_pages_load_nothing_from_elsewhere(client: httpx.AsyncClient, page: str) -> None:
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
