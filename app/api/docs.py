"""The OpenAPI document and its page, `/docs`, which works offline.

Swagger UI's files come from the package fastapi-offline: no browser has to reach a CDN.
"""

from functools import lru_cache
from pathlib import Path
from typing import Any

import fastapi_offline
import msgspec
from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles
from msgspec.structs import replace

from app.api.encoding import ENCODER, schemas
from app.api.examples import SECOND, board
from app.api.responses import ALL, Api, status_of

REF = "#/components/schemas/{name}"
ABOUT = """\
Live forecasts of Bitcoin and other symbols, with what they were worth.

* **Every forecast carries its state**: `flags` (gapped, late, stale, unpriced, warming_up, fallback, model_expired),
  `age_s` and `stale`, and the model that made it.
* **Intervals are quantiles** of the log return of the mid price, conformally corrected; `prices` say them as prices.
* **Times**: `second`, `due`, `from`, `to` are the exchange's time (epoch seconds), `*_ms` the wall clock (epoch ms).
* **Live updates**: `GET /v1/stream?symbols=BTCUSDT` as a WebSocket. A `hello` with the present state comes first, then
  one `update` a second: `{"type": "update", "second": …, "closed_ms": …, "sent_ms": …, "predictions": […]}`. A client
  that is slow loses the oldest updates; one that takes nothing for seconds is closed with code 1013.
* **Caching**: answers carry an `ETag`; send it as `If-None-Match` and an unchanged answer costs a 304.
* **Errors** are problem details (RFC 9457).
"""
TAGS = [
    {"name": "forecasts", "description": "What is expected, and what came."},
    {"name": "quality", "description": "What the forecasts are worth."},
    {"name": "system", "description": "The feed, the models, the processes."},
]
PROBLEMS = {
    401: ("A key is needed.", "send a key in the header X-API-Key"),
    404: ("No such symbol.", "symbol DOGEUSD is not known; known are: BTCUSDT"),
    422: ("A parameter cannot be understood.", "the request cannot be understood: limit: Input should be less than …"),
    429: ("Too many requests; `Retry-After` says when to come back.", "too many requests: try again in 3 s"),
    503: ("Nothing to show yet.", "there is no prediction yet: the board is filling"),
}
TITLES = {401: "Unauthorized", 404: "Not Found", 422: "Unprocessable Content", 429: "Too Many Requests",
          503: "Service Unavailable"}  # fmt: skip


def responses(view: type[msgspec.Struct]) -> dict[int | str, dict[str, Any]]:
    """Return how a route's answers are documented: its view and a real example, and every problem."""
    good = {"schema": {"$ref": REF.format(name=view.__name__)}, "example": _examples()[view]}
    found: dict[int | str, dict[str, Any]] = {
        200: {"description": _first_line(view), "content": {"application/json": good}},
        304: {"description": "What the client has is still true (If-None-Match)."},
    }
    for status, (meaning, detail) in PROBLEMS.items():
        example = {"type": "about:blank", "title": TITLES[status], "status": status, "detail": detail}
        problem = {"schema": {"$ref": REF.format(name="ProblemDetails")}, "example": example}
        found[status] = {"description": meaning, "content": {"application/problem+json": problem}}
    return found


def _first_line(view: type) -> str:
    return (view.__doc__ or "").splitlines()[0]


@lru_cache(maxsize=1)
def _examples() -> dict[type[msgspec.Struct], Any]:
    shown = board()
    three: dict[str, Any] = {"since": SECOND - 22, "until": SECOND - 20}
    api = Api(apdex=1.0, requests=512, p50_ms=0.4, p99_ms=2.1, users=3, websockets=2, dropped=0)
    views: list[msgspec.Struct] = [
        shown.latest(),
        replace(shown.history("BTCUSDT", **three), next_from=SECOND - 19),
        replace(shown.bars("BTCUSDT", **three), next_from=SECOND - 19),
        replace(shown.outcomes("BTCUSDT", 10, **three), next_from=SECOND - 19),
        replace(shown.scores("BTCUSDT"), scores=shown.scores("BTCUSDT").scores[:1], settled_total={"10": 1200}),
        shown.models(),
        shown.feed(),
        status_of(shown, api),
    ]
    return {type(view): msgspec.json.decode(ENCODER.encode(view)) for view in views}


def install(app: FastAPI, *, keys: bool) -> None:
    """Serve `/docs` and `/openapi.json`, complete with the schema of every answer."""
    static = Path(fastapi_offline.__file__).parent / "static"
    app.mount("/docs/static", StaticFiles(directory=static), name="docs")

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app, keys=keys)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]

    @app.get("/docs", include_in_schema=False)
    def docs() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url="openapi.json",
            title=f"{app.title} – API",
            swagger_js_url="docs/static/swagger-ui-bundle.js",
            swagger_css_url="docs/static/swagger-ui.css",
            swagger_favicon_url="icon.svg",
            swagger_ui_parameters={
                "displayRequestDuration": True,
                "defaultModelsExpandDepth": 0,
                "tryItOutEnabled": True,
            },
        )


def _document(app: FastAPI, *, keys: bool) -> dict[str, Any]:
    found = get_openapi(title=app.title, version=app.version, summary=app.summary, description=ABOUT, routes=app.routes,
                        tags=TAGS, license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"})  # fmt: skip
    components = found.setdefault("components", {})
    components["schemas"] = schemas(ALL, REF)
    if keys:
        components["securitySchemes"] = {"key": {"type": "apiKey", "in": "header", "name": "X-API-Key"}}
        found["security"] = [{"key": []}]
    for path in found["paths"].values():
        for operation in path.values():
            title, _, more = operation["description"].partition("\n\n")
            operation["summary"], operation["description"] = title.rstrip("."), more
            for response in operation["responses"].values():
                response.get("content", {}).pop("application/json", None) if _is_empty(response) else None
    return found


def _is_empty(response: dict[str, Any]) -> bool:
    return bool(response.get("content", {}).get("application/json", {}).get("schema") == {})
