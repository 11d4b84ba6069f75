"""Trades, quotes and snapshots of the book as single events, and their conversion to the columns of `records.Ticks`."""

from collections.abc import Sequence

import msgspec

from app.domain.decimals import Exact
from app.records import Book, Quotes, Trades


class Trade(msgspec.Struct, frozen=True, gc=False):
    """One aggregate trade."""

    symbol: str
    id: int
    time_ms: int  # exchange time
    price: float
    quantity: float
    buyer_maker: bool  # true: the taker sold
    microsecond: int = 0  # of `time_ms`, 0 … 999
    first_id: int = -1  # first and last trade in the aggregate; -1: not known
    last_id: int = -1
    received_ns: int = 0  # wall clock, epoch nanoseconds; 0: not known
    connection: int = 0  # number of the connection that it came by, from 1; 0: backfilled over REST
    exact: tuple[tuple[str, str], ...] = ()  # column and number as sent, where its float does not keep it


class Quote(msgspec.Struct, frozen=True, gc=False):
    """One change of the best bid and ask."""

    symbol: str
    update_id: int
    time_ms: int  # exchange clock at its receipt − the usual transit
    bid: float
    bid_size: float
    ask: float
    ask_size: float
    received_ns: int = 0
    connection: int = 0
    exact: tuple[tuple[str, str], ...] = ()


class BookSnapshot(msgspec.Struct, frozen=True, gc=False):
    """The best levels of the order book."""

    symbol: str
    book: Book

    @property
    def time_ms(self) -> int:
        """Exchange clock at its receipt − the usual transit."""
        return self.book.time_ms


Event = Trade | Quote | BookSnapshot


def trade_columns(trades: list[Trade]) -> Trades:
    """Return trades as columns, in the order given.

    >>> trade_columns([Trade("BTCUSDT", 7, 100_250, 60_000.0, 0.1, True)]).price
    [60000.0]
    """
    if not trades:
        return NO_TRADES
    return Trades(
        id=[trade.id for trade in trades],
        time_ms=[trade.time_ms for trade in trades],
        price=[trade.price for trade in trades],
        quantity=[trade.quantity for trade in trades],
        buyer_maker=[trade.buyer_maker for trade in trades],
        microsecond=[trade.microsecond for trade in trades],
        first_id=[trade.first_id for trade in trades],
        last_id=[trade.last_id for trade in trades],
        received_ns=[trade.received_ns for trade in trades],
        connection=[trade.connection for trade in trades],
        exact=_exact(trades),
    )


def quote_columns(quotes: list[Quote]) -> Quotes:
    """Return quotes as columns, in the order given."""
    if not quotes:
        return NO_QUOTES
    return Quotes(
        time_ms=[quote.time_ms for quote in quotes],
        bid=[quote.bid for quote in quotes],
        bid_size=[quote.bid_size for quote in quotes],
        ask=[quote.ask for quote in quotes],
        ask_size=[quote.ask_size for quote in quotes],
        update_id=[quote.update_id for quote in quotes],
        received_ns=[quote.received_ns for quote in quotes],
        connection=[quote.connection for quote in quotes],
        exact=_exact(quotes),
    )


def _exact(events: Sequence[Trade | Quote]) -> Exact:
    return [(column, row, text) for row, event in enumerate(events) if event.exact for column, text in event.exact]


NO_TRADES = Trades()
NO_QUOTES = Quotes()
