"""The API as an ASGI application.

A request passes: request metrics → CORS → key and rate → answer cache, or → route → board → encoded once.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, WebSocket
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from app.api import docs, pages, problems, routes, stream
from app.api.access import AccessControl
from app.api.cache import AnswerCache, CacheMiddleware
from app.api.request_metrics import RequestMetrics, RequestMetricsMiddleware
from app.board.board import Board
from app.service.heartbeat import ProcessStatus, release_version
from app.settings import Settings

ROUTES = ("/", "/docs", "/openapi.json", "/healthz", "/readyz", "/metrics", "/v1/predictions/latest", "/v1/predictions",
          "/v1/bars", "/v1/outcomes", "/v1/scores", "/v1/models", "/v1/feed", "/v1/status", "/v1/stream")  # fmt: skip


def create_app(settings: Settings, board: Board | None = None, process_status: ProcessStatus | None = None) -> FastAPI:
    """Return the API over a board; without one it follows the topics with its own. It sets the status's reasons."""
    shown, status = board or Board(settings), process_status or ProcessStatus()
    status.stall_reason = lambda: shown.stall_reason(status.kafka_answering_s())
    status.not_ready_reason = shown.not_ready_reason
    request_metrics, answers = RequestMetrics(), AnswerCache(private=bool(settings.api_keys))
    hub = stream.Hub(shown, request_metrics)

    @asynccontextmanager
    async def following(_app: FastAPI) -> AsyncIterator[None]:
        if board is None:
            await shown.start()
        yield
        hub.close()
        if board is None:
            await shown.stop()

    app = FastAPI(
        title="Bitcoin forecasts",
        summary="Live forecasts with honest intervals, and the proof of what they are worth.",
        version=release_version(),
        docs_url=None,
        redoc_url=None,
        lifespan=following,
        middleware=_middleware(settings, request_metrics, answers),
    )
    app.state.board, app.state.request_metrics = shown, request_metrics
    problems.install(app)
    docs.install(app, keys=bool(settings.api_keys))
    app.include_router(pages.router(status.checks()))
    app.include_router(routes.router(shown, answers, request_metrics))

    @app.websocket("/v1/stream")
    async def live(websocket: WebSocket) -> None:
        await stream.serve(websocket, hub, shown)

    return app


def _middleware(settings: Settings, request_metrics: RequestMetrics, answers: AnswerCache) -> list[Middleware]:
    cors = Middleware(
        CORSMiddleware,
        allow_origins=list(settings.api_cors_origins),
        allow_methods=["GET"],
        allow_headers=["X-API-Key", "If-None-Match"],
        expose_headers=["ETag", "Retry-After"],
        max_age=3600,
    )
    return [
        Middleware(RequestMetricsMiddleware, request_metrics=request_metrics, routes=frozenset(ROUTES)),
        *([cors] if settings.api_cors_origins else []),
        Middleware(AccessControl, settings=settings),
        Middleware(CacheMiddleware, answers=answers),
    ]
