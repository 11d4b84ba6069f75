"""One minute of trades and quotes."""

import numpy as np
import pytest

from app.emulator.columns import concatenate
from app.emulator.order_flow import MINUTE_US
from app.emulator.synthetic import SyntheticMarket, synthetic

NOW_S = 1_795_000_000
NOW_MINUTE = NOW_S // 60


@pytest.fixture(scope="module")
def market() -> SyntheticMarket:
    """Return a market of one symbol."""
    return synthetic(7, "BTCUSDT")


def test_ids_are_consecutive_through_hours_and_weeks(market: SyntheticMarket) -> None:
    """Trades of consecutive minutes carry consecutive ids in order of time."""
    week_s = 1_704_067_200 + 168 * 3600 * 140
    for around_s in (NOW_S, week_s):
        trades = concatenate(list(market.past_trades("BTCUSDT", (around_s - 4000) * 1000, (around_s + 4000) * 1000)))
        assert (np.diff(trades.ids) == 1).all()
        assert (np.diff(trades.due_us) >= 0).all()


def test_trades_happen_at_the_best_bid_or_ask(market: SyntheticMarket) -> None:
    """A buyer pays the ask of the last quote before the trade, a seller gets its bid."""
    minute, quotes = market._live_minute("BTCUSDT", NOW_MINUTE), market._live_quotes("BTCUSDT", NOW_MINUTE)
    trades = minute.trades
    quote = np.searchsorted(quotes.due_us, trades.due_us, side="right") - 1
    known = quote >= 0
    asks, bids = quotes.ask_ticks[quote], quotes.bid_ticks[quote]
    assert (trades.ticks == np.where(trades.buyer_maker, bids, asks))[known].all()


def test_quoted_mids_are_those_of_the_price_process(market: SyntheticMarket) -> None:
    """At full seconds the quoted mid is the process's mid, rounded to ticks."""
    for second in range(NOW_S, NOW_S + 120, 7):
        quote = market.quote("BTCUSDT", second * 1_000_000)
        assert quote is not None
        quoted = (quote.bid_ticks[0] + quote.ask_ticks[0]) / 200
        assert abs(quoted - np.exp(market.log_mid("BTCUSDT", second))) < 0.04


def test_a_martingale_is_unpredictable_between_seconds() -> None:
    """Mids sampled 50 ms before the full second, as a late quote shows them, do not correlate with the next seconds."""
    market = synthetic(7, "BTCUSDT", martingale=True)
    mids = []
    for index in range(NOW_MINUTE - 600, NOW_MINUTE):
        minute = market._past_minute("BTCUSDT", index)
        step = np.searchsorted(minute.move_us, np.arange(1, 61) * 1_000_000 - 50_000, side="right")
        mids.append(minute.bid_ticks[step] + minute.ask_ticks[step])
    moves = np.diff(np.log(np.concatenate(mids)))
    assert abs(np.corrcoef(moves[:-1], moves[1:])[0, 1]) < 0.02


def test_quotes_are_ordered_and_their_spread_is_mostly_one_tick(market: SyntheticMarket) -> None:
    """Update ids rise, asks lie above bids, more than 90 % of spreads are one tick, no queue is empty."""
    quotes = market._live_quotes("BTCUSDT", NOW_MINUTE)
    spread = quotes.ask_ticks - quotes.bid_ticks
    assert (np.diff(quotes.update_ids) > 0).all()
    assert (np.diff(quotes.due_us) >= 0).all()
    assert spread.min() == 1
    assert (spread == 1).mean() > 0.9
    assert min(quotes.bid_lots.min(), quotes.ask_lots.min()) > 0


def test_quotes_continue_over_a_full_minute(market: SyntheticMarket) -> None:
    """A minute starts with bid and ask of the end of the one before."""
    before = market._live_minute("BTCUSDT", NOW_MINUTE)
    after = market._live_minute("BTCUSDT", NOW_MINUTE + 1)
    assert (before.bid_ticks[-1], before.ask_ticks[-1]) == (after.bid_ticks[0], after.ask_ticks[0])
    assert market.quote("BTCUSDT", (NOW_MINUTE + 1) * MINUTE_US) is not None


def test_arrivals_excite_each_other(market: SyntheticMarket) -> None:
    """Counts per 100 ms vary much more than a Poisson process's (variance over mean well above 1)."""
    trades = concatenate(list(market.past_trades("BTCUSDT", (NOW_S - 3600) * 1000, NOW_S * 1000)))
    counts = np.bincount((trades.time_ms - trades.time_ms[0]) // 1000)
    assert counts.var() / counts.mean() > 2


def test_trades_and_queues_show_the_signal(market: SyntheticMarket) -> None:
    """The side of trades and the queue imbalance of a second correlate with the signal that moves the price."""
    seconds = np.arange(NOW_S - 1800, NOW_S)
    signal = market.oracle("BTCUSDT", seconds + 1, 1)
    trades = concatenate(list(market.past_trades("BTCUSDT", int(seconds[0]) * 1000, int(seconds[-1] + 1) * 1000)))
    flow = np.bincount(trades.time_ms // 1000 - seconds[0], np.where(trades.buyer_maker, -1.0, 1.0), len(seconds))
    quotes = [market.quote("BTCUSDT", int(second + 1) * 1_000_000) for second in seconds]
    imbalance = [(q.bid_lots[0] - q.ask_lots[0]) / (q.bid_lots[0] + q.ask_lots[0]) for q in quotes if q]
    assert np.corrcoef(signal, flow)[0, 1] > 0.3
    assert np.corrcoef(signal, imbalance)[0, 1] > 0.8
