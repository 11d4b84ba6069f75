"""The pages: HTML that refreshes itself every two seconds, or one sentence why there is nothing to show."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from app.kafka_ui.cluster import PAGE, UNREACHABLE, KafkaCluster, NotFoundError
from app.retry import error_reason

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}


def _clock(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000.0, UTC).strftime("%d %b %H:%M:%S.%f")[:-3]


def _size(size_bytes: int) -> str:
    return f"{size_bytes} B" if size_bytes < 1000 else f"{size_bytes / 1000:,.1f} kB"


class Pages:
    """The pages of one cluster."""

    def __init__(self, cluster: KafkaCluster) -> None:
        folder = Path(__file__).with_name("templates")
        self._cluster = cluster
        self._templates = Environment(loader=FileSystemLoader(folder), autoescape=True, undefined=StrictUndefined)
        self._templates.filters |= {"clock": _clock, "size": _size, "count": lambda number: f"{number:,}"}

    def _page(self, template: str, status: int = 200, **shown: Any) -> HTMLResponse:
        known = {"source": self._cluster.settings.source, "brokers": self._cluster.settings.bootstrap}
        return HTMLResponse(self._templates.get_template(template).render(known | shown), status, HEADERS)

    async def overview(self, _request: Request) -> Response:
        """Answer with topics and groups."""
        return self._page("overview.html", overview=await self._cluster.overview())

    async def topic(self, request: Request) -> Response:
        """Answer with a topic's newest messages, or those of one partition below an offset."""
        name = request.path_params["topic"]
        partition = _number(request, "partition")
        before = _number(request, "before") if partition is not None else None
        found = await self._cluster.messages(name, partition, before)
        older = found[-1].offset if partition is not None and len(found) == PAGE else None
        topic = await self._cluster.topic(name)
        return self._page("topic.html", topic=topic, messages=found, partition=partition, before=before, older=older)

    async def message(self, request: Request) -> Response:
        """Answer with one message in full."""
        asked = request.path_params
        found = await self._cluster.message(asked["topic"], asked["partition"], asked["offset"])
        return self._page("message.html", topic=asked["topic"], message=found)

    async def group(self, request: Request) -> Response:
        """Answer with a group's lag per partition."""
        name = request.path_params["group"]
        for known in (await self._cluster.overview()).groups:
            if known.name == name:
                return self._page("group.html", group=known)
        raise NotFoundError(f"consumer group {name} does not exist")

    async def not_found(self, _request: Request, error: Exception) -> Response:
        """Answer with the name of what does not exist."""
        return self._page("error.html", 404, reason=str(error))

    async def unreachable(self, _request: Request, error: Exception) -> Response:
        """Answer that Kafka does not answer, and why."""
        reason = f"Kafka at {self._cluster.settings.bootstrap} does not answer: {error_reason(error)}"
        return self._page("error.html", 503, reason=reason)


async def healthy(_request: Request) -> Response:
    """Answer that the process runs."""
    return PlainTextResponse("ok")


def site(cluster: KafkaCluster, kafka_reason: Callable[[], str] = lambda: "") -> Starlette:
    """Return the pages of a cluster as an ASGI app; it is not ready while there is a reason not to use Kafka."""
    pages = Pages(cluster)

    async def ready(_request: Request) -> Response:
        reason = kafka_reason()
        return PlainTextResponse(reason or "ok", status_code=503 if reason else 200)

    return Starlette(
        routes=[
            Route("/", pages.overview),
            Route("/topics/{topic}", pages.topic),
            Route("/topics/{topic}/{partition:int}/{offset:int}", pages.message),
            Route("/groups/{group}", pages.group),
            Route("/healthz", healthy),
            Route("/readyz", ready),
        ],
        exception_handlers={NotFoundError: pages.not_found, **dict.fromkeys(UNREACHABLE, pages.unreachable)},
    )


def _number(request: Request, name: str) -> int | None:
    text = request.query_params.get(name, "")
    return int(text) if text.isdecimal() and len(text) < 19 else None
