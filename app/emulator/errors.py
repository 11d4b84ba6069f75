"""Binance's error answers: HTTP status, error code and message."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from starlette.responses import Response


class ExchangeError(Exception):
    """An answer such as HTTP 400 {"code":-1121,"msg":"Invalid symbol."}."""

    def __init__(self, code: int, msg: str, status: int = 400) -> None:
        super().__init__(msg)
        self.code, self.msg, self.status = code, msg, status


INVALID_SYMBOL = ExchangeError(-1121, "Invalid symbol.")
INVALID_INTERVAL = ExchangeError(-1120, "Invalid interval.")
TOO_MANY_REQUESTS = ExchangeError(
    -1003, "Too much request weight used; current limit is 6000 request weight per 1 MINUTE.", 429
)
BANNED = ExchangeError(-1003, "Way too much request weight used; IP banned until the time of Retry-After.", 418)
TOO_MANY_HANDSHAKES = ExchangeError(-1003, "Too many connection attempts; current limit is 300 per 5 MINUTE.", 429)
HANDSHAKES_BANNED = ExchangeError(-1003, "Way too many connection attempts; IP banned.", 418)


def missing_parameter(parameter: str) -> ExchangeError:
    """Return the error for a mandatory parameter that was not sent."""
    return ExchangeError(-1102, f"Mandatory parameter '{parameter}' was not sent, was empty/null, or malformed.")


def illegal_characters(parameter: str) -> ExchangeError:
    """Return the error for a parameter that is not a whole number."""
    return ExchangeError(
        -1100, f"Illegal characters found in parameter '{parameter}'; legal range is '^[0-9]{{1,20}}$'."
    )


def json_response(content: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a JSON answer."""
    return Response(msgspec.json.encode(content), status, headers, "application/json")


def error_response(error: ExchangeError, headers: Mapping[str, str] | None = None) -> Response:
    """Return the error as Binance sends it."""
    return json_response({"code": error.code, "msg": error.msg}, error.status, headers)
