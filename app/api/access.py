"""Access control: API keys and rate limits for everything under /v1.

Keys are compared in constant time. Rates are token buckets per key, or per address for
those without a valid one; the table of buckets is bounded.
"""

import hmac
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from urllib.parse import parse_qs

from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.problems import Problem, refuse
from app.settings import Settings

GUARDED = "/v1/"


class RateLimits:
    """Token buckets: `per_minute` at once, refilled evenly; the least recently used are forgotten.

    >>> buckets = RateLimits(per_minute=2, now_s=lambda: 0.0)
    >>> [buckets.wait_s("a") for _ in range(3)]
    [0.0, 0.0, 30.0]
    """

    def __init__(self, per_minute: int, most: int = 10_000, now_s: Callable[[], float] = time.monotonic) -> None:
        self._per_minute, self._most, self._now_s = per_minute, most, now_s
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # client → tokens, when

    def wait_s(self, client: str) -> float:
        """Spend a token; return 0.0, or after how many seconds there will be one."""
        now, rate = self._now_s(), self._per_minute / 60.0
        tokens, since = self._buckets.pop(client, (float(self._per_minute), now))
        tokens = min(float(self._per_minute), tokens + (now - since) * rate)
        allowed = tokens >= 1.0
        self._buckets[client] = (tokens - allowed, now)
        if len(self._buckets) > self._most:
            self._buckets.popitem(last=False)
        return 0.0 if allowed else (1.0 - tokens) / rate


class AccessControl:
    """Middleware: keys and rates."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self._keys = [key.encode() for key in settings.api_keys]
        self._buckets = RateLimits(settings.api_rate_limit) if settings.api_rate_limit else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] in {"http", "websocket"} and scope["path"].startswith(GUARDED):
            problem = self._problem(scope)
            if problem is not None:
                await refuse(problem, scope, receive, send)
                return
        await self.app(scope, receive, send)

    def _problem(self, scope: Scope) -> Problem | None:
        if scope.get("method") == "OPTIONS":
            return None
        key = _key_of(scope) if self._keys else None
        valid = key is not None and self._is_known(key)
        if self._buckets is not None:
            client = f"key {key!r}" if valid else f"address {(scope.get('client') or ('?',))[0]}"
            wait_s = math.ceil(self._buckets.wait_s(client))
            if wait_s:
                return Problem(429, f"too many requests: try again in {wait_s} s", {"Retry-After": str(wait_s)})
        if self._keys and not valid:
            how = "the key in X-API-Key is not valid" if key else "send a key in the header X-API-Key"
            return Problem(401, how, {"WWW-Authenticate": 'ApiKey header="X-API-Key"'})
        return None

    def _is_known(self, key: bytes) -> bool:
        # Every key is compared, so that the time does not reveal which one was close.
        return sum(hmac.compare_digest(key, known) for known in self._keys) > 0


def _key_of(scope: Scope) -> bytes | None:
    """Return the key of the header; browsers cannot set one on a WebSocket, so there `?api_key=` counts too."""
    for name, value in scope["headers"]:
        if name == b"x-api-key":
            return bytes(value)
    if scope["type"] == "websocket":
        found = parse_qs(scope["query_string"].decode("latin-1")).get("api_key")
        return found[0].encode() if found else None
    return None
