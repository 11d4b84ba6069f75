"""Binance's messages and their decoding into trades, quotes and books; pure functions.

Each message is followed by its decoding. Source: Binance spot API, `web-socket-streams.md` and `rest-api.md`.
"""

import msgspec

from app.collector.binance_book import book_of
from app.collector.binance_numbers import MalformedError, count, lost, positive, size, time, trade_id
from app.collector.receipt import UNKNOWN, Receipt
from app.domain.decimals import LONGEST_SAFE
from app.domain.ticks import BookSnapshot, Event, Quote, Trade

AGG_TRADE = "aggTrade"
BOOK_TICKER = "bookTicker"
DEPTH20 = "depth20@100ms"
NOTHING_LOST: tuple[tuple[str, str], ...] = ()


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
    "f":4216590360,"l":4216590360,"T":1733464456074123,"m":true,"M":true}`; REST leaves out e, E and s. `T` is in µs
    where they were asked for, otherwise in ms.
    """

    a: int
    p: str
    q: str
    T: int
    m: bool
    s: str = ""
    f: int = -1
    l: int = -1  # noqa: E741 – Binance's name

    def trade(self, symbol: str, receipt: Receipt) -> Trade:
        """Return it as the domain's trade; REST rows do not name their symbol."""
        price, quantity = positive(self.p), positive(self.q)
        time_ms, microsecond = time(count(self.T))
        exact = NOTHING_LOST
        if len(self.p) > LONGEST_SAFE or len(self.q) > LONGEST_SAFE:
            exact = lost(("price", self.p, price), ("quantity", self.q, quantity))
        return Trade(symbol, count(self.a), time_ms, price, quantity, self.m, microsecond,
                     trade_id(self.f), trade_id(self.l), receipt.ns, receipt.connection, exact)  # fmt: skip


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

    def quote(self, time_ms: int, receipt: Receipt) -> Quote:
        """Return it as the domain's quote of this exchange time."""
        bid, ask, bid_size, ask_size = positive(self.b), positive(self.a), size(self.B), size(self.A)
        if bid > ask:
            raise MalformedError(f"bid {self.b} above ask {self.a}")
        exact = NOTHING_LOST
        if max(len(self.b), len(self.B), len(self.a), len(self.A)) > LONGEST_SAFE:
            exact = lost(("bid", self.b, bid), ("bid_size", self.B, bid_size),
                          ("ask", self.a, ask), ("ask_size", self.A, ask_size))  # fmt: skip
        return Quote(self.s, count(self.u), time_ms, bid, bid_size, ask, ask_size,
                     receipt.ns, receipt.connection, exact)  # fmt: skip


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


def decode(raw: str | bytes, untimed_ms: int, receipt: Receipt = UNKNOWN) -> Event | ShutdownNotice | None:
    """Return the trade, quote, book or notice in a frame, or None for any other frame (an answer, another stream).

    `untimed_ms` is the exchange time of what carries none.

    Raises:
        MalformedError: it is not what Binance documents.

    """
    try:
        frame = _frame.decode(raw)
        if frame.stream.endswith(AGG_TRADE):
            row = _agg_trade.decode(frame.data)
            return row.trade(row.s, receipt)
        if frame.stream.endswith(BOOK_TICKER):
            return _book_ticker.decode(frame.data).quote(untimed_ms, receipt)
        if frame.stream.endswith(DEPTH20):
            symbol = frame.stream.removesuffix(DEPTH20).rstrip("@").upper()
            return BookSnapshot(symbol, book_of(frame.data, untimed_ms, receipt))
    except (msgspec.DecodeError, UnicodeError) as error:
        raise MalformedError(str(error)) from error
    # {"e":"serverShutdown","E":1770123456789}, ten minutes before the connection closes
    is_notice = frame.e == "serverShutdown" or b'"serverShutdown"' in bytes(frame.data)
    return _SHUTDOWN if is_notice else None


def trades_of_rows(symbol: str, rows: object, receipt: Receipt = UNKNOWN) -> list[Trade]:
    """Return the answer of REST `aggTrades` as trades; raises MalformedError.

    >>> rows = [{"a": 7, "p": "60000.00", "q": "0.1", "f": 7, "l": 7, "T": 100250, "m": True, "M": True}]
    >>> trades_of_rows("BTCUSDT", rows)[0].price
    60000.0
    """
    try:
        return [row.trade(symbol, receipt) for row in msgspec.convert(rows, list[_AggTrade])]
    except msgspec.ValidationError as error:
        raise MalformedError(str(error)) from error


def server_time_ms(answer: object) -> float:
    """Return the answer of REST `time`, {"serverTime": 1733464456075}, in epoch milliseconds; raises MalformedError.

    >>> server_time_ms({"serverTime": 1733464456075250})
    1733464456075.25
    """
    try:
        time_ms, microsecond = time(msgspec.convert(answer, dict[str, int])["serverTime"])
        return time_ms + microsecond / 1000
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


def stream_names(symbols: tuple[str, ...], *, book: bool = False) -> list[str]:
    """Return the names of the streams of the symbols.

    >>> stream_names(("BTCUSDT",), book=True)
    ['btcusdt@aggTrade', 'btcusdt@bookTicker', 'btcusdt@depth20@100ms']
    """
    kinds = (AGG_TRADE, BOOK_TICKER, DEPTH20) if book else (AGG_TRADE, BOOK_TICKER)
    return [f"{symbol.lower()}@{kind}" for symbol in symbols for kind in kinds]
