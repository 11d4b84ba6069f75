"""Trades and quotes as columns."""

from app.domain.ticks import Quote, Trade, quote_columns, trade_columns
from app.records import Quotes, Trades


def test_columns_hold_the_events_in_the_order_given() -> None:
    """One list per field."""
    trades = trade_columns([Trade("A", 8, 2, 9.0, 1.0, True), Trade("A", 7, 1, 8.0, 2.0, False)])
    assert trades == Trades(id=[8, 7], time_ms=[2, 1], price=[9, 8], quantity=[1, 2], buyer_maker=[True, False])
    quotes = quote_columns([Quote("A", 1, 5, 1.0, 2.0, 3.0, 4.0)])
    assert quotes == Quotes(time_ms=[5], bid=[1.0], bid_size=[2.0], ask=[3.0], ask_size=[4.0])


def test_no_events_are_empty_columns() -> None:
    """A silent second allocates nothing."""
    assert trade_columns([]) is trade_columns([])
    assert quote_columns([]) == Quotes()
