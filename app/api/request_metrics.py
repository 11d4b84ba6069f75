"""Metrics of the API's requests and WebSocket handshakes: Prometheus series, and Apdex on /v1/status.

Every route has series; what users ask for is under /v1/, and only that counts in the SLIs and in Apdex.

Apdex (apdex.org): (satisfied + tolerating ÷ 2) ÷ all, satisfied within T = 100 ms, tolerating within 4 T; an answer
that failed on the server counts as neither.
"""

import time
from collections import OrderedDict, deque
from functools import lru_cache

import numpy as np
from prometheus_client import Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import metrics
from app.api.responses import Api

SATISFIED_S = 0.1
REMEMBERED = 2048
USER_S = 60.0
METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
USER_ROUTES = "/v1/"
FAILURES = (500, 503)  # series from the start: Prometheus sees no increase in a series that begins with its first count
HANDSHAKES = {"websocket.accept": 101, "websocket.close": 403}  # ASGI's first message → status


@lru_cache(maxsize=4096)
def _series(route: str, method: str, status: int) -> tuple[Counter, Histogram]:
    return metrics.API_REQUESTS.labels(route, method, str(status)), metrics.API_LATENCY.labels(route)


class RequestMetrics:
    """The newest requests, and the clients of the last minute."""

    def __init__(self) -> None:
        self.websockets = 0
        self.dropped = 0
        self._requests: deque[tuple[float, float, bool]] = deque(maxlen=REMEMBERED)  # when, seconds, failed
        self._users: OrderedDict[str, float] = OrderedDict()

    def update(self, user: str, duration_s: float, *, failed: bool) -> None:
        """Add one answered request."""
        now = time.monotonic()
        self._requests.append((now, duration_s, failed))
        self._users[user] = now
        self._users.move_to_end(user)
        while self._users and (now - next(iter(self._users.values())) > USER_S or len(self._users) > REMEMBERED):
            self._users.popitem(last=False)

    def get(self) -> Api:
        """Return Apdex, latencies in ms and users; Apdex is None before the first request."""
        rows = np.array(self._requests, np.float64).reshape(-1, 3)
        spent, worked = rows[:, 1], rows[:, 2] == 0
        satisfied = np.count_nonzero((spent <= SATISFIED_S) & worked)
        tolerating = np.count_nonzero((spent > SATISFIED_S) & (spent <= 4 * SATISFIED_S) & worked)
        known = len(rows) > 0
        p50, p99 = (np.percentile(spent, (50, 99)) * 1000.0).round(3).tolist() if known else (None, None)
        now = time.monotonic()
        return Api(
            apdex=round((satisfied + tolerating / 2) / len(rows), 4) if known else None,
            requests=len(rows),
            p50_ms=p50,
            p99_ms=p99,
            users=sum(now - last_s <= USER_S for last_s in self._users.values()) + self.websockets,
            websockets=self.websockets,
            dropped=self.dropped,
        )


class RequestMetricsMiddleware:
    """Middleware: times every answer and every WebSocket handshake."""

    def __init__(self, app: ASGIApp, request_metrics: RequestMetrics, routes: frozenset[str]) -> None:
        self.app, self.request_metrics, self._routes = app, request_metrics, routes
        for route in routes:
            if route.startswith(USER_ROUTES):
                for status in FAILURES:
                    _series(route, "GET", status)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on and measure the time until the answer is complete, of a WebSocket until its handshake is."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        started, status = time.perf_counter(), 500

        async def observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, observed)
        finally:
            route, spent_s = self._observe(scope, status, started)
            if route.startswith(USER_ROUTES):
                self.request_metrics.update((scope.get("client") or ("?",))[0], spent_s, failed=status >= 500)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        started, answered = time.perf_counter(), False

        async def observed(message: Message) -> None:
            nonlocal answered
            if not answered:
                answered = True
                self._observe(scope, HANDSHAKES.get(message["type"]) or message["status"], started)
            await send(message)

        try:
            await self.app(scope, receive, observed)
        finally:
            if not answered:
                self._observe(scope, 500, started)

    def _observe(self, scope: Scope, status: int, started: float) -> tuple[str, float]:
        """Count an answer; return its route and the seconds it took."""
        spent_s = time.perf_counter() - started
        route = scope["path"] if scope["path"] in self._routes else "other"
        method = scope.get("method", "GET")
        requests, latency = _series(route, method if method in METHODS else "other", status)
        requests.inc()
        latency.observe(spent_s)
        return route, spent_s
