"""Trades and quotes as columns."""

import msgspec

from app.domain.ticks import Quote, Trade, quote_columns, trade_columns
from app.records import Quotes, Ticks


def test_columns_hold_the_events_in_the_order_given() -> None:
    """One list per field."""
    trades = trade_columns([Trade("A", 8, 2, 9.0, 1.0, True), Trade("A", 7, 1, 8.0, 2.0, False)])
    assert (trades.id, trades.time_ms, trades.price, trades.quantity) == ([8, 7], [2, 1], [9, 8], [1, 2])
    assert trades.buyer_maker == [True, False]
    quotes = quote_columns([Quote("A", 1, 5, 1.0, 2.0, 3.0, 4.0, received_ns=9, connection=2)])
    assert quotes == Quotes(
        time_ms=[5],
        bid=[1.0],
        bid_size=[2.0],
        ask=[3.0],
        ask_size=[4.0],
        update_id=[1],
        received_ns=[9],
        connection=[2],
    )


def test_columns_keep_where_a_trade_came_from_and_what_a_float_loses() -> None:
    """Microsecond, aggregate, receipt, connection; a number of seventeen digits by its row."""
    first = Trade("A", 7, 1, 8.0, 2.0, False)
    exact = (("price", "123456789.123456789"),)
    second = Trade("A", 8, 2, 123456789.123456789, 1.0, True, 250, 11, 14, 99, 3, exact)
    trades = trade_columns([first, second])
    assert (trades.microsecond, trades.first_id, trades.last_id) == ([0, 250], [-1, 11], [-1, 14])
    assert (trades.received_ns, trades.connection) == ([0, 99], [0, 3])
    assert trades.exact == [("price", 1, "123456789.123456789")]


def test_a_message_without_the_newer_columns_is_read() -> None:
    """A batch written by an older collector."""
    old = b'{"trades":{"id":[7],"time_ms":[5],"price":[9.5],"quantity":[1],"buyer_maker":[true]},"last_id":7}'
    ticks = msgspec.json.decode(old, type=Ticks)
    assert (ticks.trades.price, ticks.trades.received_ns, ticks.quotes.update_id) == ([9.5], [], [])


def test_no_events_are_empty_columns() -> None:
    """A silent second allocates nothing."""
    assert trade_columns([]) is trade_columns([])
    assert quote_columns([]) == Quotes()
