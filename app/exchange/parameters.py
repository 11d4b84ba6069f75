"""Query parameters of REST requests; leaves: checked values, or the error that Binance would answer."""

from __future__ import annotations

import re

import msgspec
from starlette.requests import Request

from app.exchange.errors import INVALID_SYMBOL, ExchangeError, illegal, missing
from app.exchange.source import MarketSource

MOST_ROWS = 1000


def symbol(request: Request, source: MarketSource) -> str:
    """Return the mandatory `symbol`."""
    name = request.query_params.get("symbol", "")
    if not name:
        raise missing("symbol")
    return _listed(name, source)


def symbols(request: Request, source: MarketSource) -> list[str]:
    """`symbol=A` or `symbols=["A","B"]`; without both, all."""
    if "symbol" in request.query_params:
        return [symbol(request, source)]
    text = request.query_params.get("symbols")
    if text is None:
        return list(source.symbols)
    try:
        return [_listed(name, source) for name in msgspec.json.decode(text, type=list[str])]
    except msgspec.MsgspecError as error:
        raise ExchangeError(-1100, "Illegal characters found in parameter 'symbols'.") from error


def number(request: Request, name: str) -> int | None:
    """Return an optional whole number."""
    text = request.query_params.get(name)
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]{1,15}", text):
        raise illegal(name)
    return int(text)


def limit(request: Request, default: int = 500, most: int = MOST_ROWS) -> int:
    """`limit`; more than `most` is taken as `most`."""
    given = number(request, "limit")
    if given == 0:
        raise ExchangeError(-1130, "Data sent for parameter 'limit' is not valid.")
    return default if given is None else min(given, most)


def _listed(name: str, source: MarketSource) -> str:
    if name not in source.symbols:
        raise INVALID_SYMBOL
    return name
