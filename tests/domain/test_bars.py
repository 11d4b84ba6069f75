"""Ticks of a second become a bar."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.bars import CHANNELS, Channel, Floats, second_bars
from app.records import Quotes, TickBatch, Ticks, Trades

NOTHING = np.zeros((1, len(CHANNELS)))
Market = Callable[..., list[TickBatch]]


def trades(*rows: tuple[float, float, bool]) -> Trades:
    """Return trades of (price, quantity, the taker sold)."""
    return Trades(price=[r[0] for r in rows], quantity=[r[1] for r in rows], buyer_maker=[r[2] for r in rows])


def quotes(*rows: tuple[float, float, float, float]) -> Quotes:
    """Return quotes of (bid, bid size, ask, ask size)."""
    bid, bid_size, ask, ask_size = ([r[i] for r in rows] for i in range(4))
    return Quotes(bid=bid, bid_size=bid_size, ask=ask, ask_size=ask_size)


def bar(ticks: Ticks, previous: Floats = NOTHING, elapsed_s: int = 0, **named: Any) -> Floats:
    """Return one symbol's bar, float64 [1, C]."""
    return second_bars(["BTCUSDT"], {"BTCUSDT": ticks}, previous, np.array([elapsed_s]), **named)


def values(bars: Floats, *channels: Channel) -> list[float]:
    """Return one bar's values of some channels."""
    return [float(bars[0, channel]) for channel in channels]


def test_trades_become_price_range_volume_and_taker_buys() -> None:
    """The last trade is the price, the extremes are high and low, and only what takers bought counts as bought."""
    made = bar(Ticks(trades=trades((10.0, 1.0, False), (12.0, 2.0, True), (11.0, 4.0, False))))
    assert values(made, Channel.PRICE, Channel.HIGH, Channel.LOW) == [11.0, 12.0, 10.0]
    assert values(made, Channel.VOLUME, Channel.BUY_VOLUME, Channel.NOTIONAL, Channel.TRADES) == [7.0, 5.0, 78.0, 3.0]
    assert values(made, Channel.TRADED, Channel.QUOTED, Channel.MID, Channel.PRESENT) == [1.0, 0.0, 0.0, 1.0]


def test_a_silent_second_carries_price_and_quote_and_ages() -> None:
    """Nothing happened: levels stay, activity is zero, and the time since the last trade and quote grows."""
    first = bar(Ticks(trades=trades((10.0, 1.0, False)), quotes=quotes((9.0, 3.0, 11.0, 5.0))))
    made = bar(Ticks(), bar(Ticks(), first, 1), 3)
    assert values(made, Channel.PRICE, Channel.HIGH, Channel.LOW, Channel.MID) == [10.0] * 4
    assert values(made, Channel.VOLUME, Channel.TRADES, Channel.QUOTES, Channel.OFI) == [0.0] * 4
    assert values(made, Channel.SINCE_TRADE_S, Channel.SINCE_QUOTE_S, Channel.DEPTH) == [4.0, 4.0, 4.0]
    assert values(made, Channel.LOG_RETURN, Channel.SPAN_S) == [0.0, 3.0]


def test_order_flow_imbalance_follows_cont_kukanov_and_stoikov() -> None:
    """Size added at the bid and a retreating ask are demand; the first change is measured against the carried quote."""
    first = bar(Ticks(quotes=quotes((10.0, 5.0, 11.0, 7.0))))
    assert values(first, Channel.OFI) == [0.0]
    # same bid, 2 more: +2 · bid up with 4: +4 · ask down with 3: −3 · ask up, 3 gone: +3
    changes = quotes((10.0, 7.0, 11.0, 7.0), (10.5, 4.0, 11.0, 7.0), (10.5, 4.0, 10.8, 3.0), (10.5, 4.0, 11.0, 6.0))
    made = bar(Ticks(quotes=changes), first, 1)
    assert values(made, Channel.OFI, Channel.QUOTES, Channel.DEPTH) == [6.0, 4.0, (7 + 5.5 + 3.5 + 5) / 4]


def test_returns_are_made_of_mids_and_the_first_quote_makes_none() -> None:
    """A trade of one second and the mid of the next are not compared; two mids are."""
    traded = bar(Ticks(trades=trades((10.0, 1.0, False))))
    quoted = bar(Ticks(quotes=quotes((11.0, 1.0, 13.0, 1.0))), traded, 1)
    assert values(quoted, Channel.LOG_RETURN, Channel.SPAN_S) == [0.0, 0.0]
    moved = bar(Ticks(quotes=quotes((11.5, 1.0, 13.5, 1.0))), quoted, 2)
    assert values(moved, Channel.LOG_RETURN, Channel.SPAN_S) == [float(np.log(12.5 / 12.0)), 2.0]


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -float("inf"), -1.0, 0.0, 1e300, 1e-300])
def test_impossible_numbers_are_ignored_and_counted(wrong: float) -> None:
    """One bad price, size or quote leaves the good ones around it as they are."""
    made = bar(
        Ticks(
            trades=trades((10.0, 1.0, False), (wrong, 1.0, False), (10.0, wrong, False)),
            quotes=quotes((9.0, 1.0, 11.0, 1.0), (wrong, 1.0, 11.0, 1.0), (9.0, wrong, 11.0, 1.0)),
        )
    )
    assert values(made, Channel.REFUSED, Channel.VOLUME, Channel.QUOTES, Channel.MID) == [4.0, 1.0, 1.0, 10.0]


def test_a_crossed_quote_is_ignored_and_a_locked_one_is_not() -> None:
    """Bid above ask cannot be; bid equal to ask can."""
    made = bar(Ticks(quotes=quotes((12.0, 1.0, 11.0, 1.0), (11.0, 1.0, 11.0, 1.0))))
    assert values(made, Channel.REFUSED, Channel.QUOTES, Channel.MID) == [1.0, 1.0, 11.0]


def test_late_trades_count_in_the_second_that_brought_them() -> None:
    """They are part of the volume, and their number is kept; a late batch marks every symbol."""
    made = bar(Ticks(trades=trades((10.0, 1.0, False), (11.0, 2.0, False)), late=1, missing=3))
    assert values(made, Channel.VOLUME, Channel.LATE, Channel.MISSING) == [3.0, 1.0, 3.0]
    assert values(bar(Ticks(), late=True), Channel.LATE) == [1.0]


def test_columns_of_different_length_are_named() -> None:
    """The dead letter names the symbol and the column."""
    with pytest.raises(ValueError, match="ticks of BTCUSDT: price has 2 values, quantity 1"):
        bar(Ticks(trades=Trades(price=[1.0, 2.0], quantity=[1.0], buyer_maker=[True, True])))


def test_a_symbol_alone_and_among_many_has_the_same_bar(market: Market) -> None:
    """Other symbols in the batch do not change one bit."""
    symbols = [f"S{i}" for i in range(17)]
    (batch,) = market(1, symbols, 1)
    none = np.zeros((17, len(CHANNELS)))
    together = second_bars(symbols, batch.symbols, none, np.zeros(17, np.int64))
    for row, symbol in enumerate(symbols):
        np.testing.assert_array_equal(bar_of(symbol, batch), together[row : row + 1])


def bar_of(symbol: str, batch: TickBatch) -> Floats:
    """Return one symbol's bar, computed alone."""
    return second_bars([symbol], batch.symbols, NOTHING, np.zeros(1, np.int64))


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.tuples(st.floats(), st.floats(), st.booleans()), max_size=6),
    changes=st.lists(st.tuples(st.floats(), st.floats(), st.floats(), st.floats()), max_size=6),
)
def test_a_bar_is_finite_whatever_comes(
    rows: list[tuple[float, float, bool]], changes: list[tuple[float, float, float, float]]
) -> None:
    """No number on the wire makes NaN or infinity in a bar."""
    made = bar(Ticks(trades=trades(*rows), quotes=quotes(*changes)))
    assert np.isfinite(bar(Ticks(), made, 1)).all()
    assert np.isfinite(made).all()
