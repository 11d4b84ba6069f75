"""The number of browsers that have a page open.

Each open page holds one WebSocket to Streamlit, so those are counted.
"""

from dataclasses import dataclass

from starlette.types import ASGIApp, Receive, Scope, Send


@dataclass
class Visitors:
    """The count."""

    now: int = 0


class CountingMiddleware:
    """Middleware: counts a WebSocket while it is open."""

    def __init__(self, app: ASGIApp, visitors: Visitors) -> None:
        self._app, self._visitors = app, visitors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on."""
        pages = int(scope["type"] == "websocket")
        self._visitors.now += pages
        try:
            await self._app(scope, receive, send)
        finally:
            self._visitors.now -= pages
