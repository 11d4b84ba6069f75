"""Answers, encoded once and served as bytes. What enters: a dict of the board; what leaves: a response with its ETag.

A route encodes its answer on the first request and puts it here under its path and query. Until the board has
something newer, the same request is answered by the middleware below, before any routing or validation.
"""

import gzip
from collections import OrderedDict
from collections.abc import Callable
from hashlib import blake2b
from typing import Any

import msgspec
import numpy as np
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

Token = tuple[Any, ...]  # what an answer depends on: when it changes, the answer is old
Key = tuple[str, bytes]  # path, query
GZIP_FROM_BYTES = 8 * 1024
RawHeaders = list[tuple[bytes, bytes]]


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise NotImplementedError(f"{type(value).__name__} is no answer")


ENCODER = msgspec.json.Encoder(enc_hook=_plain)


class CachedAnswer:
    """One encoded answer and the token it is valid for."""

    def __init__(self, body: bytes, fresh: Callable[[], Token], cache_control: str) -> None:
        self.body, self.fresh, self.token = body, fresh, fresh()
        self.etag = b'"' + blake2b(body, digest_size=9).hexdigest().encode() + b'"'
        self._base: RawHeaders = [(b"etag", self.etag), (b"cache-control", cache_control.encode())]
        self.headers = self._with(body)
        self._zipped: tuple[bytes, RawHeaders] | None = None

    def _with(self, body: bytes, *more: tuple[bytes, bytes]) -> RawHeaders:
        length = (b"content-length", str(len(body)).encode())
        return [(b"content-type", b"application/json"), length, *self._base, (b"vary", b"Accept-Encoding"), *more]

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
        self._kept: OrderedDict[Key, CachedAnswer] = OrderedDict()
        self._most, self._most_bytes, self._bytes = most, most_bytes, 0
        self._cache_control = "private, no-cache" if private else "no-cache"

    def get(self, key: Key) -> CachedAnswer | None:
        """Return the answer to a path and query if it is still true."""
        answer = self._kept.get(key)
        return answer if answer is not None and answer.token == answer.fresh() else None

    def put(self, request: Request, shown: Any, fresh: Callable[[], Token]) -> Response:
        """Encode an answer, keep it, and return it as a response to this request."""
        answer = CachedAnswer(ENCODER.encode(shown), fresh, self._cache_control)
        self._keep((request.url.path, request.scope["query_string"]), answer)
        status, body, headers = answer.form(request.scope["headers"])
        response = Response(body, status)
        response.raw_headers = list(headers)
        return response

    def _keep(self, key: Key, answer: CachedAnswer) -> None:
        old = self._kept.pop(key, None)
        self._bytes += len(answer.body) - (len(old.body) if old else 0)
        self._kept[key] = answer
        while len(self._kept) > self._most or (self._bytes > self._most_bytes and len(self._kept) > 1):
            self._bytes -= len(self._kept.popitem(last=False)[1].body)


class CacheMiddleware:
    """Middleware: what was answered and is still true is answered again at once."""

    def __init__(self, app: ASGIApp, answers: AnswerCache) -> None:
        self.app, self.answers = app, answers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer from memory or pass on."""
        if scope["type"] == "http" and scope["method"] == "GET":
            answer = self.answers.get((scope["path"], scope["query_string"]))
            if answer is not None:
                status, body, headers = answer.form(scope["headers"])
                await send({"type": "http.response.start", "status": status, "headers": headers})
                await send({"type": "http.response.body", "body": body})
                return
        await self.app(scope, receive, send)
