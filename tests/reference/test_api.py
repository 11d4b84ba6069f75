"""The page of the API."""

from pathlib import Path

from app.api.application import ROUTES
from app.reference import api

ROOT = Path(__file__).resolve().parents[2]


def test_every_route_is_explained() -> None:
    """The page has every path that the API answers, the WebSocket too."""
    page = (ROOT / "docs/api.md").read_text(encoding="utf-8")
    documented = {f"## GET {path}" for path in api.document()["paths"]} | {f"| `{path}` |" for path in api.OTHER_ROUTES}
    assert [line for line in sorted(documented) if line not in page] == []
    assert set(ROUTES) <= set(api.document()["paths"]) | set(api.OTHER_ROUTES)
