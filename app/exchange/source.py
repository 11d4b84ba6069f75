"""The protocol `MarketSource` of what the exchange serves, and `Event`, one message for its subscribers."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import NamedTuple, Protocol

from app.exchange.columns import QuoteColumns, Scale, TradeColumns

AGG_TRADE, TRADE, BOOK_TICKER = "aggTrade", "trade", "bookTicker"


class MarketSourceError(ValueError):
    """A source that cannot be served; its text is one line: what, where, what to do."""


class Event(NamedTuple):
    """One message. `stream` is its name (`btcusdt@aggTrade`), `data` its raw JSON payload."""

    due_us: int  # epoch µs on the exchange's clock
    symbol: str
    kind: str  # aggTrade, trade or bookTicker
    key: int  # trade id or order book update id
    stream: str
    data: bytes


class MarketSource(Protocol):
    """A market: an ordered stream of events, and the questions REST asks about its past.

    All times are exchange time. "Past" questions may reach beyond now; the server cuts the answers at now.
    """

    @property
    def label(self) -> str:
        """What people read: `synthetic 7`, `replay spot-btcusdt.dat.gz`."""

    @property
    def symbols(self) -> tuple[str, ...]:
        """Upper-case names, in listing order."""

    @property
    def span_us(self) -> tuple[int, int] | None:
        """First and last event's due time in epoch µs; None for a market without beginning or end."""

    def scale(self, symbol: str) -> Scale:
        """Decimals of the symbol's prices and quantities."""

    def events(self, streams: Collection[str], start_us: int, end_us: int) -> list[Event]:
        """Events of these streams due in [start, end), ordered by due time."""

    def past(self, symbol: str, start_ms: int, end_ms: int, *, backward: bool = False) -> Iterator[TradeColumns]:
        """Trades with `start <= T < end`, in pieces that follow each other (backward: the last piece first)."""

    def begins_ms(self, symbol: str) -> int:
        """Return the time of the first trade there ever was, or a moment just before it."""

    def since_ms(self, symbol: str, trade_id: int) -> int:
        """Return a moment not later than this trade, near it, to start `past` from."""

    def quote(self, symbol: str, now_us: int) -> QuoteColumns | None:
        """Return the best bid and ask that stand at this moment (one row); None if there was none yet."""

    def prepare(self, streams: Collection[str], now_us: int) -> None:
        """Get a little ahead of the clock; called a few times a second, must return within milliseconds."""

    def about(self) -> dict[str, object]:
        """Return what the emulator's own page says of this source, JSON-ready."""
