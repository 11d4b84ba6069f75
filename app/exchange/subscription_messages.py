"""Live subscription messages; enters: a client's text; leaves: Binance's answer to it.

{"method":"SUBSCRIBE","params":["btcusdt@aggTrade"],"id":1} → {"result":null,"id":1}
"""

from __future__ import annotations

from typing import Any

import msgspec

from app.exchange.subscribers import Subscriber, Subscribers

METHODS = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY")
MOST_STREAMS = 1024


class _RefusedError(Exception):
    """Answered with {"error":{"code":…,"msg":…},"id":…}."""

    def __init__(self, code: int, msg: str) -> None:
        super().__init__(msg)
        self.code, self.msg = code, msg


def reply(text: str | bytes, client: Subscriber, clients: Subscribers) -> bytes:
    """Do what the message asks, and answer it."""
    key: object = None
    try:
        message = _parse(text)
        key = _key(message)
        return msgspec.json.encode({"result": _do(message, client, clients), "id": key})
    except _RefusedError as refused:
        return msgspec.json.encode({"error": {"code": refused.code, "msg": refused.msg}, "id": key})


def _parse(text: str | bytes) -> dict[str, Any]:
    try:
        message = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise _RefusedError(3, f"Invalid JSON: {error}") from error
    if not isinstance(message, dict):
        raise _RefusedError(2, "Invalid request: expected an object")
    return message


def _key(message: dict[str, Any]) -> int | str | None:
    key = message.get("id")
    wide = isinstance(key, int) and not -(2**63) <= key < 2**63
    if wide or isinstance(key, bool) or not isinstance(key, int | str | None):
        raise _RefusedError(2, "Invalid request: request ID must be an unsigned integer")
    return key


def _do(message: dict[str, Any], client: Subscriber, clients: Subscribers) -> object:
    method, params = message.get("method"), message.get("params", [])
    if method is None:
        raise _RefusedError(2, "Invalid request: missing field `method`")
    if method not in METHODS:
        variants = ", ".join(f"`{name}`" for name in METHODS)
        raise _RefusedError(2, f"Invalid request: unknown variant `{method}`, expected one of {variants}")
    if not isinstance(params, list):
        raise _RefusedError(2, "Invalid request: params must be an array")
    if method == "LIST_SUBSCRIPTIONS":
        return list(client.streams)
    if method.endswith("PROPERTY"):
        return _property(method, params, client)
    _subscribe(method, params, client, clients)
    return None


def _subscribe(method: str, params: list[Any], client: Subscriber, clients: Subscribers) -> None:
    if not all(isinstance(stream, str) for stream in params):
        raise _RefusedError(2, "Invalid request: stream name must be a string")
    if method == "UNSUBSCRIBE":
        clients.unsubscribe(client, params)
    elif len(client.streams.keys() | set(params)) > MOST_STREAMS:
        raise _RefusedError(2, f"Invalid request: more than {MOST_STREAMS} streams on one connection")
    else:
        clients.subscribe(client, params)


def _property(method: str, params: list[Any], client: Subscriber) -> object:
    if not params or not isinstance(params[0], str):
        raise _RefusedError(2, "Invalid request: property name must be a string")
    if params[0] != "combined":
        raise _RefusedError(0, "Unknown property")
    if method == "GET_PROPERTY":
        return client.combined
    if len(params) != 2 or not isinstance(params[1], bool):
        raise _RefusedError(1, "Invalid value type: expected Boolean")
    client.combined = params[1]
    return None
