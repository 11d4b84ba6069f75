"""Recorded trades, quotes and klines: the fields that a replay needs, checked."""

from __future__ import annotations

from typing import Annotated

import msgspec

Number = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,9}(\.[0-9]{1,8})?$")]
Whole = Annotated[int, msgspec.Meta(ge=0, lt=2**62)]
Symbol = Annotated[str, msgspec.Meta(pattern=r"^[A-Z0-9]{1,20}$")]


class RecordedTrade(msgspec.Struct):
    """A `trade` or an `aggTrade`; the id is `t` in the one, `a` in the other (where a `trade` has an order number)."""

    e: str
    E: Whole
    s: Symbol
    p: Number
    q: Number
    T: Whole
    m: bool
    t: Whole | None = None
    a: Whole | None = None


class RecordedQuote(msgspec.Struct):
    """A `bookTicker`."""

    u: Whole
    s: Symbol
    b: Number
    B: Number
    a: Number
    A: Number


class RecordedSecond(msgspec.Struct):
    """The part `k` of a `kline_1s`."""

    t: Whole


class RecordedKline(msgspec.Struct):
    """A `kline_1s`."""

    E: Whole
    s: Symbol
    k: RecordedSecond
