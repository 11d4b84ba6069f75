"""The protocol of a market source, from which the exchange is served, and the events it yields."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import NamedTuple, Protocol

from app.emulator.columns import QuoteColumns, Scale, TradeColumns

AGG_TRADE, TRADE, BOOK_TICKER = "aggTrade", "trade", "bookTicker"
DEPTH, DEPTH20, KLINE = "depth@100ms", "depth20@100ms", "kline_1s"
STREAM_KINDS = (AGG_TRADE, TRADE, BOOK_TICKER, DEPTH, DEPTH20, KLINE)


class MarketSourceError(ValueError):
    """The exchange cannot serve what was asked for; the message is one line: what, where, what to do."""


class Event(NamedTuple):
    """One message for subscribers; `data` is its raw JSON payload."""

    due_us: int  # epoch µs on the exchange's clock
    symbol: str
    kind: str  # one of STREAM_KINDS
    key: int  # trade id, order book update id or a kline's opening time in ms
    stream: str  # btcusdt@aggTrade
    data: bytes
    microsecond: int = 0  # of the times in `data`, which are in ms: 0 … 999


Level = tuple[str, str]  # ("28165.47000000", "7.98680000")


class OrderBook(NamedTuple):
    """The order book at one time, best level first, in Binance's decimals."""

    update_id: int
    bids: list[Level]
    asks: list[Level]


class MarketSource(Protocol):
    """A market: events in order for the streams, past trades and quotes for REST.

    All times are exchange time. Answers may reach beyond now; the server cuts them at now.
    """

    @property
    def label(self) -> str:
        """Name for people: `synthetic 7`, `replay spot-btcusdt.dat.gz`."""

    @property
    def symbols(self) -> tuple[str, ...]:
        """Upper-case names, in the order of the market."""

    @property
    def span_us(self) -> tuple[int, int] | None:
        """First and last event's due time in epoch µs; None for a market without beginning or end."""

    def scale(self, symbol: str) -> Scale:
        """Return the decimals of the symbol's prices and quantities."""

    def events(self, streams: Collection[str], start_us: int, end_us: int) -> list[Event]:
        """Return the events of these streams due in [start, end), ordered by due time."""

    def past_trades(self, symbol: str, start_ms: int, end_ms: int, *, backward: bool = False) -> Iterator[TradeColumns]:
        """Yield trades with `start <= T < end` in pieces that follow each other (backward: the last piece first)."""

    def first_trade_ms(self, symbol: str) -> int:
        """Return the time of the first trade, or a time just before it."""

    def search_start_ms(self, symbol: str, trade_id: int) -> int:
        """Return a time shortly before this trade, from which `past_trades` finds it."""

    def quote(self, symbol: str, now_us: int) -> QuoteColumns | None:
        """Return the best bid and ask at this time (one row); None if there was none yet."""

    def book(self, symbol: str, now_us: int) -> OrderBook | None:
        """Return the order book at this time; None if none is known."""

    def prepare(self, streams: Collection[str], now_us: int) -> None:
        """Compute what these streams need next; called a few times a second, must return within milliseconds."""

    def details(self) -> dict[str, object]:
        """Return what `/emulator` shows of this source, JSON-ready."""
