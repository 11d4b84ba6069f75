"""The synthetic market as a market source."""

import time
from itertools import pairwise

import numpy as np
import pytest

from app.emulator.price_process import EPOCH_S
from app.emulator.synthetic import SyntheticMarket, synthetic

NOW_S = 1_795_000_000


@pytest.fixture(scope="module")
def market() -> SyntheticMarket:
    """Return a market of one symbol."""
    return synthetic(7, "BTCUSDT")


def test_a_seed_always_makes_the_same_market() -> None:
    """Two sources of one seed send the same bytes; another seed or symbol does not."""
    streams, start_us = ["btcusdt@aggTrade", "btcusdt@bookTicker"], NOW_S * 1_000_000
    first, again, other = (synthetic(seed, 2).events(streams, start_us, start_us + 10**7) for seed in (7, 7, 8))
    assert first == again
    assert first != other


def test_events_do_not_depend_on_the_intervals_asked_for() -> None:
    """Events drawn in slices are the events drawn at once."""
    market, streams, start_us = synthetic(7, 2), ["btcusdt@aggTrade", "ethusdt@bookTicker"], (NOW_S - 5) * 1_000_000
    cuts = [start_us, start_us + 1, start_us + 4_700_000, start_us + 5_000_000, start_us + 9_000_000]
    parts = [event for low, high in pairwise(cuts) for event in market.events(streams, low, high)]
    assert parts == market.events(streams, cuts[0], cuts[-1])


def test_six_hours_of_trades_are_simulated_in_two_seconds() -> None:
    """The trades of six hours take well below two seconds to make."""
    market: SyntheticMarket = synthetic(7)
    now_ms = int(time.time() * 1000)
    begun = time.perf_counter()
    count = sum(map(len, market.past_trades("BTCUSDT", now_ms - 6 * 3_600_000, now_ms)))
    assert count > 50_000
    assert time.perf_counter() - begun < 2


def test_past_trades_run_backward_in_pieces(market: SyntheticMarket) -> None:
    """Backward, the last piece comes first; the pieces hold the same trades within [start, end)."""
    start_ms, end_ms = NOW_S * 1000 + 500, (NOW_S + 150) * 1000
    forward = list(market.past_trades("BTCUSDT", start_ms, end_ms))
    backward = list(market.past_trades("BTCUSDT", start_ms, end_ms, backward=True))
    assert [part.ids.tolist() for part in backward[::-1]] == [part.ids.tolist() for part in forward]
    times_ms = np.concatenate([part.time_ms for part in forward])
    assert start_ms <= times_ms.min() <= times_ms.max() < end_ms


def test_a_trade_is_found_from_its_search_start(market: SyntheticMarket) -> None:
    """The search start is at most a minute before the trade."""
    trade = next(market.past_trades("BTCUSDT", NOW_S * 1000, NOW_S * 1000 + 60_000))
    start_ms = market.search_start_ms("BTCUSDT", int(trade.ids[0]))
    assert 0 <= trade.time_ms[0] - start_ms < 60_000


def test_the_market_has_no_quote_before_its_beginning(market: SyntheticMarket) -> None:
    """There is no quote at 2024-01-01 00:00, and one within its first minute."""
    assert market.quote("BTCUSDT", EPOCH_S * 1_000_000) is None
    assert market.quote("BTCUSDT", (EPOCH_S + 60) * 1_000_000) is not None


def test_prepare_computes_the_next_minute_of_subscribed_symbols_once() -> None:
    """Only the symbols of the given streams are prepared, each once a minute."""
    market = synthetic(7, 3)
    for _ in range(3):
        market.prepare(["btcusdt@aggTrade"], NOW_S * 1_000_000)
    assert market._prepared == {"BTCUSDT": NOW_S // 60 + 1}
