"""The messages by which a connected client changes its subscriptions, and Binance's answers to them.

{"method":"SUBSCRIBE","params":["btcusdt@aggTrade"],"id":1} → {"result":null,"id":1}
"""

from __future__ import annotations

from typing import Any

import msgspec

from app.emulator.subscribers import Subscriber, Subscribers

METHODS = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY")
MAX_STREAMS = 1024


class _RequestError(Exception):
    """A request that is refused with {"error":{"code":…,"msg":…},"id":…}."""

    def __init__(self, code: int, msg: str) -> None:
        super().__init__(msg)
        self.code, self.msg = code, msg


def reply(text: str | bytes, client: Subscriber, clients: Subscribers) -> bytes:
    """Execute the message of a client and return the answer, an error included."""
    key: object = None
    try:
        message = _parse(text)
        key = _request_id(message)
        return msgspec.json.encode({"result": _execute(message, client, clients), "id": key})
    except _RequestError as refused:
        return msgspec.json.encode({"error": {"code": refused.code, "msg": refused.msg}, "id": key})


def _parse(text: str | bytes) -> dict[str, Any]:
    try:
        message = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise _RequestError(3, f"Invalid JSON: {error}") from error
    if not isinstance(message, dict):
        raise _RequestError(2, "Invalid request: expected an object")
    return message


def _request_id(message: dict[str, Any]) -> int | str | None:
    key = message.get("id")
    wide = isinstance(key, int) and not -(2**63) <= key < 2**63
    if wide or isinstance(key, bool) or not isinstance(key, int | str | None):
        raise _RequestError(2, "Invalid request: request ID must be an unsigned integer")
    return key


def _execute(message: dict[str, Any], client: Subscriber, clients: Subscribers) -> object:
    method, params = message.get("method"), message.get("params", [])
    if method is None:
        raise _RequestError(2, "Invalid request: missing field `method`")
    if method not in METHODS:
        variants = ", ".join(f"`{name}`" for name in METHODS)
        raise _RequestError(2, f"Invalid request: unknown variant `{method}`, expected one of {variants}")
    if not isinstance(params, list):
        raise _RequestError(2, "Invalid request: params must be an array")
    if method == "LIST_SUBSCRIPTIONS":
        return list(client.streams)
    if method.endswith("PROPERTY"):
        return _property(method, params, client)
    _subscribe(method, params, client, clients)
    return None


def _subscribe(method: str, params: list[Any], client: Subscriber, clients: Subscribers) -> None:
    if not all(isinstance(stream, str) for stream in params):
        raise _RequestError(2, "Invalid request: stream name must be a string")
    if method == "UNSUBSCRIBE":
        clients.unsubscribe(client, params)
    elif len(client.streams.keys() | set(params)) > MAX_STREAMS:
        raise _RequestError(2, f"Invalid request: more than {MAX_STREAMS} streams on one connection")
    else:
        clients.subscribe(client, params)


def _property(method: str, params: list[Any], client: Subscriber) -> object:
    if not params or not isinstance(params[0], str):
        raise _RequestError(2, "Invalid request: property name must be a string")
    if params[0] != "combined":
        raise _RequestError(0, "Unknown property")
    if method == "GET_PROPERTY":
        return client.combined
    if len(params) != 2 or not isinstance(params[1], bool):
        raise _RequestError(1, "Invalid value type: expected Boolean")
    client.combined = params[1]
    return None
