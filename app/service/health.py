"""Is a process alive, ready, and what has it measured? What enters: two checks; what leaves: three small pages.

Liveness follows progress, not the mere answer: a check returns the reason why it fails, or "".
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from app.service.graceful_server import EmbeddedServer

Check = Callable[[], str]


def pages(alive: Check, ready: Check) -> Starlette:
    """Return `/healthz`, `/readyz` and `/metrics`; the checks run in the server's loop, whose things they look at.

    Never as plain functions: Starlette runs those in a thread, where Faust, asked for a part it has not made yet, makes
    it on a loop of that thread, which never turns. The worker then waits for its tables for ever.

    >>> [route.path for route in pages(lambda: "", lambda: "").routes]
    ['/healthz', '/readyz', '/metrics']
    """

    def answer(check: Check) -> Callable[[Request], Awaitable[Response]]:
        async def page(_request: Request) -> Response:
            reason = check()
            return PlainTextResponse(reason or "ok", status_code=503 if reason else 200)

        return page

    async def metrics(_request: Request) -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return Starlette(
        routes=[Route("/healthz", answer(alive)), Route("/readyz", answer(ready)), Route("/metrics", metrics)]
    )


@asynccontextmanager
async def serving(host: str, port: int, alive: Check, ready: Check) -> AsyncIterator[None]:
    """Serve the pages while the body runs; port 0 serves nothing."""
    if not port:
        yield
        return
    config = uvicorn.Config(
        pages(alive, ready), host=host, port=port, log_level="warning", access_log=False, lifespan="off"
    )
    server = EmbeddedServer(config)
    task = asyncio.create_task(server.serve())
    try:
        yield
    finally:
        server.should_exit = True
        await asyncio.wait([task], timeout=3)
