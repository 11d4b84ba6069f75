"""Binance's messages and their decoding into trades and quotes; pure functions.

Each message is followed by its decoding. Source: Binance spot API, `web-socket-streams.md` and `rest-api.md`.
"""

from math import isfinite

import msgspec

from app.domain.ticks import Event, Quote, Trade

AGG_TRADE = "aggTrade"
BOOK_TICKER = "bookTicker"


class MalformedError(ValueError):
    """A frame or row that is not what Binance documents; its message is the reason."""


class ShutdownNotice(msgspec.Struct, frozen=True):
    """The exchange is about to close this connection: open another."""


class _Frame(msgspec.Struct):
    """`{"stream":"btcusdt@aggTrade","data":{…}}`; a notice comes without a stream."""

    stream: str = ""
    data: msgspec.Raw = msgspec.Raw(b"{}")
    e: str = ""


class _AggTrade(msgspec.Struct):
    """A trade of one taker at one price.

    `{"e":"aggTrade","E":1733464456075,"s":"BTCUSDT","a":3305280883,"p":"97900.88000000","q":"0.00208000",
    "f":4216590360,"l":4216590360,"T":1733464456074,"m":true,"M":true}`; REST leaves out e, E and s.
    """

    a: int
    p: str
    q: str
    T: int
    m: bool
    s: str = ""

    def trade(self, symbol: str) -> Trade:
        """Return it as the domain's trade; REST rows do not name their symbol."""
        return Trade(symbol, _count(self.a), _count(self.T), _positive(self.p), _positive(self.q), self.m)


class _BookTicker(msgspec.Struct):
    """The best bid and ask after a change; it has no time.

    `{"u":56052199039,"s":"BTCUSDT","b":"99566.42000000","B":"3.12604000","a":"99566.43000000","A":"2.90961000"}`
    """

    u: int
    s: str
    b: str
    B: str
    a: str
    A: str

    def quote(self, exchange_ms: int) -> Quote:
        """Return it as the domain's quote, `exchange_ms` the exchange's clock at its receipt."""
        bid, ask = _positive(self.b), _positive(self.a)
        if bid > ask:
            raise MalformedError(f"bid {self.b} above ask {self.a}")
        return Quote(self.s, _count(self.u), exchange_ms, bid, _size(self.B), ask, _size(self.A))


class _SymbolInfo(msgspec.Struct):
    """`{"symbol":"BTCUSDT","status":"TRADING",…}`; a halted one has "HALT" or "BREAK"."""

    symbol: str
    status: str


class _ExchangeInfo(msgspec.Struct):
    """The answer of REST `exchangeInfo`."""

    symbols: list[_SymbolInfo]


_frame = msgspec.json.Decoder(_Frame)
_agg_trade = msgspec.json.Decoder(_AggTrade)
_book_ticker = msgspec.json.Decoder(_BookTicker)
_SHUTDOWN = ShutdownNotice()


def decode(raw: str | bytes, exchange_ms: int) -> Event | ShutdownNotice | None:
    """Return the trade, quote or notice in a frame, or None for any other frame (an answer, another stream).

    Raises:
        MalformedError: it is not what Binance documents.

    """
    try:
        frame = _frame.decode(raw)
        if frame.stream.endswith(AGG_TRADE):
            row = _agg_trade.decode(frame.data)
            return row.trade(row.s)
        if frame.stream.endswith(BOOK_TICKER):
            return _book_ticker.decode(frame.data).quote(exchange_ms)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise MalformedError(str(error)) from error
    # {"e":"serverShutdown","E":1770123456789}, ten minutes before the connection closes
    is_notice = frame.e == "serverShutdown" or b'"serverShutdown"' in bytes(frame.data)
    return _SHUTDOWN if is_notice else None


def trades_of_rows(symbol: str, rows: object) -> list[Trade]:
    """Return the answer of REST `aggTrades` as trades; raises MalformedError.

    >>> rows = [{"a": 7, "p": "60000.00", "q": "0.1", "f": 7, "l": 7, "T": 100250, "m": True, "M": True}]
    >>> trades_of_rows("BTCUSDT", rows)[0].price
    60000.0
    """
    try:
        return [row.trade(symbol) for row in msgspec.convert(rows, list[_AggTrade])]
    except msgspec.ValidationError as error:
        raise MalformedError(str(error)) from error


def server_time_ms(answer: object) -> float:
    """Return the answer of REST `time`, {"serverTime": 1733464456075}, in epoch milliseconds; raises MalformedError."""
    try:
        return float(msgspec.convert(answer, dict[str, int])["serverTime"])
    except (msgspec.ValidationError, KeyError) as error:
        raise MalformedError(f"no server time: {error}") from error


def symbol_statuses(answer: object) -> dict[str, str]:
    """Return the status of each symbol of `exchangeInfo`; raises MalformedError.

    >>> symbol_statuses({"symbols": [{"symbol": "BTCUSDT", "status": "TRADING", "baseAsset": "BTC"}]})
    {'BTCUSDT': 'TRADING'}
    """
    try:
        return {row.symbol: row.status for row in msgspec.convert(answer, _ExchangeInfo).symbols}
    except msgspec.ValidationError as error:
        raise MalformedError(f"no symbols: {error}") from error


def stream_names(symbols: tuple[str, ...]) -> list[str]:
    """Return the names of the streams of the symbols.

    >>> stream_names(("BTCUSDT",))
    ['btcusdt@aggTrade', 'btcusdt@bookTicker']
    """
    return [f"{symbol.lower()}@{kind}" for symbol in symbols for kind in (AGG_TRADE, BOOK_TICKER)]


def _positive(text: str) -> float:
    value = _number(text)
    if value <= 0:
        raise MalformedError(f"{text[:40]!r} is not above zero")
    return value


def _size(text: str) -> float:
    value = _number(text)
    if value < 0:
        raise MalformedError(f"{text[:40]!r} is negative")
    return value


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise MalformedError(f"{text[:40]!r} is not a number") from None
    if not isfinite(value):
        raise MalformedError(f"{text[:40]!r} is not finite")
    return value


def _count(value: int) -> int:
    if not 0 <= value < 2**63:
        raise MalformedError(f"{value} is out of range")
    return value
