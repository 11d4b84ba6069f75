"""Query parameters of REST requests, checked; a wrong one raises the error that Binance would answer."""

from __future__ import annotations

import re

import msgspec
from starlette.requests import Request

from app.emulator.errors import INVALID_SYMBOL, ExchangeError, illegal_characters, missing_parameter
from app.emulator.market_source import MarketSource

MAX_ROWS = 1000


def symbol_of(request: Request, source: MarketSource) -> str:
    """Return the mandatory `symbol`."""
    name = request.query_params.get("symbol", "")
    if not name:
        raise missing_parameter("symbol")
    return _known_symbol(name, source)


def symbols_of(request: Request, source: MarketSource) -> list[str]:
    """Return the names of `symbol=A` or `symbols=["A","B"]`; without both, all."""
    if "symbol" in request.query_params:
        return [symbol_of(request, source)]
    text = request.query_params.get("symbols")
    if text is None:
        return list(source.symbols)
    try:
        return [_known_symbol(name, source) for name in msgspec.json.decode(text, type=list[str])]
    except msgspec.MsgspecError as error:
        raise ExchangeError(-1100, "Illegal characters found in parameter 'symbols'.") from error


def number_of(request: Request, name: str) -> int | None:
    """Return an optional whole number; None if it was not sent."""
    text = request.query_params.get(name)
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]{1,15}", text):
        raise illegal_characters(name)
    return int(text)


def limit_of(request: Request, default: int = 500, at_most: int = MAX_ROWS) -> int:
    """Return `limit`; more than `at_most` counts as `at_most`."""
    given = number_of(request, "limit")
    if given == 0:
        raise ExchangeError(-1130, "Data sent for parameter 'limit' is not valid.")
    return default if given is None else min(given, at_most)


def _known_symbol(name: str, source: MarketSource) -> str:
    if name not in source.symbols:
        raise INVALID_SYMBOL
    return name
