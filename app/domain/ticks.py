"""Trades and quotes as single events, and their conversion to the columns of `records.Ticks`."""

import msgspec

from app.records import Quotes, Trades


class Trade(msgspec.Struct, frozen=True, gc=False):
    """One aggregate trade."""

    symbol: str
    id: int
    time_ms: int  # exchange time
    price: float
    quantity: float
    buyer_maker: bool  # true: the taker sold


class Quote(msgspec.Struct, frozen=True, gc=False):
    """One change of the best bid and ask."""

    symbol: str
    update_id: int
    time_ms: int  # the exchange clock when it was received
    bid: float
    bid_size: float
    ask: float
    ask_size: float


Event = Trade | Quote


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
    )


NO_TRADES = Trades()
NO_QUOTES = Quotes()
