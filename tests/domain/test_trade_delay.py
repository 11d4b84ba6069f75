"""How long trades are under way."""

import random

from app.domain.trade_delay import MAX_MS, TradeDelay


def after(delays_ms: list[float]) -> float:
    """Return the usual delay after these."""
    transit = TradeDelay()
    for delay_ms in delays_ms:
        transit.update(delay_ms)
    return transit.median_ms


def test_it_finds_the_median_and_stragglers_do_not_move_it() -> None:
    """Two per cent come half a second later."""
    draw = random.Random(7)
    delays_ms = [draw.gauss(60.0, 5.0) + (500.0 if draw.random() < 0.02 else 0.0) for _ in range(2000)]
    assert 57.0 < after(delays_ms) < 63.0


def test_a_clock_that_is_behind_or_wild_keeps_it_within_bounds() -> None:
    """Nothing below zero, nothing above half a second."""
    assert after([-5000.0] * 10) == 0.0
    assert after([1e12] * 5000) == MAX_MS
