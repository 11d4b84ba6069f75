"""The live page, health and metrics: `/`, `/healthz`, `/readyz`, `/metrics`."""

from functools import lru_cache
from hashlib import blake2b
from importlib.resources import files

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from app.api.problems import Problem
from app.service.health import Checks

TYPES = {"page.html": "text/html; charset=utf-8", "page.css": "text/css; charset=utf-8",
         "page.js": "text/javascript; charset=utf-8", "chart.js": "text/javascript; charset=utf-8",
         "icon.svg": "image/svg+xml"}  # fmt: skip
POLICY = "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data:; frame-ancestors 'none'"


@lru_cache(maxsize=len(TYPES))
def _page(name: str) -> tuple[bytes, str]:
    body = (files("app.api") / "web" / name).read_bytes()
    return body, f'"{blake2b(body, digest_size=9).hexdigest()}"'


def _static(name: str, request: Request) -> Response:
    body, etag = _page(name)
    headers = {"ETag": etag, "Cache-Control": "no-cache", "Content-Security-Policy": POLICY,
               "X-Content-Type-Options": "nosniff"}  # fmt: skip
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type=TYPES[name])


def router(checks: Checks) -> APIRouter:
    """Return the pages; health is what the checks say."""
    pages = APIRouter(include_in_schema=False)

    def health(reason: str) -> Response:
        if reason:
            raise Problem(503, reason, {"Retry-After": "1"})
        return Response("ok", media_type="text/plain")

    @pages.get("/")
    async def live(request: Request) -> Response:
        return _static("page.html", request)

    @pages.get("/{name}.{kind}")
    async def part(name: str, kind: str, request: Request) -> Response:
        if f"{name}.{kind}" not in TYPES:
            raise Problem(404, f"there is no {request.url.path}; /docs lists what there is")
        return _static(f"{name}.{kind}", request)

    @pages.get("/healthz")
    async def alive() -> Response:
        # Answered by the loop that serves everything: if it hangs, so does this.
        return health(checks.stall_reason())

    @pages.get("/readyz")
    async def ready() -> Response:
        return health(checks.not_ready_reason())

    @pages.get("/metrics")
    def measured() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return pages
