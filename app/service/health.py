"""Health pages of a process: `/healthz`, `/readyz` and `/metrics`."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from app.service import ports
from app.service.uvicorn_fixes import EmbeddedServer


@dataclass
class Checks:
    """Why a process must be restarted, and why it does not work yet; "" where neither is so."""

    stall_reason: Callable[[], str] = lambda: ""  # from progress: a process that answers may still be stuck
    not_ready_reason: Callable[[], str] = lambda: ""


def routes(checks: Checks) -> list[Route]:
    """Return `/healthz` and `/readyz`; the checks run in the server's event loop.

    The routes are coroutines: Starlette runs plain functions in a thread, and there Faust would create its lazy parts
    on an event loop that never runs. The worker would then wait for its tables for ever.
    """

    def answer(check: str) -> Callable[[Request], Awaitable[Response]]:
        async def page(_request: Request) -> Response:
            # Looked up at each request: a process sets its checks when it has started.
            reason = getattr(checks, check)()
            return PlainTextResponse(reason or "ok", status_code=503 if reason else 200)

        return page

    return [Route("/healthz", answer("stall_reason")), Route("/readyz", answer("not_ready_reason"))]


def pages(checks: Checks, more: Sequence[Route] = ()) -> Starlette:
    """Return `/healthz`, `/readyz` and `/metrics`, and `more` pages of a process."""

    async def metrics(_request: Request) -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return Starlette(routes=[*routes(checks), Route("/metrics", metrics), *more])


@asynccontextmanager
async def serving(
    host: str,
    port: int,
    checks: Checks,
    *,
    name: str = "metrics",
    variable: str = "BTC_METRICS_PORT",
    more: Sequence[Route] = (),
) -> AsyncIterator[None]:
    """Serve the pages while the body runs; port 0 serves nothing.

    Raises:
        PortError: the port cannot be listened on; `name` and `variable` are in its message, see `ports.listening`.

    """
    if not port:
        yield
        return
    listener = ports.listening(host, port, name, variable)
    config = uvicorn.Config(pages(checks, more), log_level="warning", access_log=False, lifespan="off")
    server = EmbeddedServer(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield
    finally:
        server.should_exit = True
        await asyncio.wait([task], timeout=3)
