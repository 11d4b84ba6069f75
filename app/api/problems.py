"""Errors as RFC 9457 problem details, `application/problem+json`.

{"type": "about:blank", "title": "Not Found", "status": 404, "detail": "symbol X is not known; known are: BTCUSDT"}
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from app.board.board import UnknownSymbolError
from app.logs import logger

MEDIA_TYPE = "application/problem+json"
log = logger("api")


class Problem(Exception):  # noqa: N818  it is the RFC's word
    """An answer that is no success: status, one sentence, more members, headers."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None, **more: Any) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers, self.more = status, detail, dict(headers or {}), more

    def response(self) -> Response:
        """Return it as a response."""
        body = {"type": "about:blank", "title": HTTPStatus(self.status).phrase, "status": self.status,
                "detail": self.detail, **self.more}  # fmt: skip
        return Response(
            msgspec.json.encode(body), self.status, {"Cache-Control": "no-store", **self.headers}, MEDIA_TYPE
        )


async def refuse(problem: Problem, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request or a WebSocket handshake with a problem."""
    response = problem.response()
    if scope["type"] == "websocket" and "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1008, "reason": problem.detail[:120]})
        return
    await response(scope, receive, send)


def _invalid(error: RequestValidationError) -> Problem:
    errors = [{"parameter": ".".join(map(str, one["loc"][1:])), "reason": one["msg"]} for one in error.errors()]
    named = "; ".join(f"{one['parameter']}: {one['reason']}" for one in errors)
    return Problem(422, f"the request cannot be understood: {named}", errors=errors)


def install(app: FastAPI) -> None:
    """Answer every error of the app with a problem."""

    async def known(_request: Request, error: Exception) -> Response:
        assert isinstance(error, Problem)
        return error.response()

    async def unknown_symbol(_request: Request, error: Exception) -> Response:
        return Problem(404, str(error)).response()

    async def invalid(_request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return _invalid(error).response()

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        detail = str(error.detail)
        if error.status_code == HTTPStatus.NOT_FOUND:
            detail = f"there is no {request.url.path}; /docs lists what there is"
        elif error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            detail = f"{request.method} is not possible here: everything is read with GET"
        return Problem(error.status_code, detail, error.headers).response()

    async def unexpected(request: Request, error: Exception) -> Response:
        log.error("answer failed", path=request.url.path, exc_info=error)
        return Problem(500, "the server failed to answer; the reason is in its log").response()

    app.add_exception_handler(Problem, known)
    app.add_exception_handler(UnknownSymbolError, unknown_symbol)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(Exception, unexpected)
