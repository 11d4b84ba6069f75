"""A cache of encoded answers with their ETags.

A route encodes its answer on the first request and stores it under its path and query. Until the board has something
newer, the same request is answered by the middleware below, before any routing or validation.
"""

import gzip
from collections import OrderedDict
from collections.abc import Callable
from hashlib import blake2b
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.encoding import ENCODER

Token = tuple[Any, ...]  # what an answer depends on: when it changes, the answer is old
Key = tuple[str, bytes]  # path, query
GZIP_FROM_BYTES = 8 * 1024
RawHeaders = list[tuple[bytes, bytes]]


class CachedAnswer:
    """One encoded answer and the token it is valid for."""

    def __init__(self, body: bytes, version: Callable[[], Token], cache_control: str) -> None:
        self.body, self._version, self._token = body, version, version()
        self.etag = b'"' + blake2b(body, digest_size=9).hexdigest().encode() + b'"'
        self._base: RawHeaders = [(b"etag", self.etag), (b"cache-control", cache_control.encode())]
        self.headers = self._with(body)
        self._zipped: tuple[bytes, RawHeaders] | None = None

    def _with(self, body: bytes, *more: tuple[bytes, bytes]) -> RawHeaders:
        length = (b"content-length", str(len(body)).encode())
        return [(b"content-type", b"application/json"), length, *self._base, (b"vary", b"Accept-Encoding"), *more]

    def is_current(self) -> bool:
        """Return whether the board has nothing newer."""
        return self._token == self._version()

    def form(self, headers: RawHeaders) -> tuple[int, bytes, RawHeaders]:
        """Return status, body and headers for a request: 304 when the client has it, gzip when that pays."""
        zips = False
        for name, value in headers:
            if name == b"if-none-match" and (value == b"*" or self.etag in value):
                return 304, b"", self._base
            zips = zips or (name == b"accept-encoding" and b"gzip" in value)
        if not zips or len(self.body) < GZIP_FROM_BYTES:
            return 200, self.body, self.headers
        if self._zipped is None:
            body = gzip.compress(self.body, 1, mtime=0)
            self._zipped = body, self._with(body, (b"content-encoding", b"gzip"))
        return 200, *self._zipped


class AnswerCache:
    """The newest answers, bounded in number and bytes."""

    def __init__(self, private: bool, most: int = 512, most_bytes: int = 64 * 2**20) -> None:
        self._answers: OrderedDict[Key, CachedAnswer] = OrderedDict()
        self._most, self._most_bytes, self._bytes = most, most_bytes, 0
        self._cache_control = "private, no-cache" if private else "no-cache"

    def get(self, key: Key) -> CachedAnswer | None:
        """Return the answer to a path and query if it is current."""
        answer = self._answers.get(key)
        return answer if answer is not None and answer.is_current() else None

    def store(self, request: Request, view: Any, version: Callable[[], Token]) -> Response:
        """Encode an answer, store it, and return it as a response to this request."""
        answer = CachedAnswer(ENCODER.encode(view), version, self._cache_control)
        self._add((request.url.path, request.scope["query_string"]), answer)
        status, body, headers = answer.form(request.scope["headers"])
        response = Response(body, status)
        response.raw_headers = list(headers)
        return response

    def _add(self, key: Key, answer: CachedAnswer) -> None:
        old = self._answers.pop(key, None)
        self._bytes += len(answer.body) - (len(old.body) if old else 0)
        self._answers[key] = answer
        while len(self._answers) > self._most or (self._bytes > self._most_bytes and len(self._answers) > 1):
            self._bytes -= len(self._answers.popitem(last=False)[1].body)


class CacheMiddleware:
    """Middleware: a current answer is sent again before any routing."""

    def __init__(self, app: ASGIApp, answers: AnswerCache) -> None:
        self.app, self.answers = app, answers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer from the cache or pass on."""
        if scope["type"] == "http" and scope["method"] == "GET":
            answer = self.answers.get((scope["path"], scope["query_string"]))
            if answer is not None:
                status, body, headers = answer.form(scope["headers"])
                await send({"type": "http.response.start", "status": status, "headers": headers})
                await send({"type": "http.response.body", "body": body})
                return
        await self.app(scope, receive, send)
