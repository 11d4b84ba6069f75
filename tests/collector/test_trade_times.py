"""Trade times bound the exchange's clock from below, and wrong ones do not."""

from app.collector.trade_times import WINDOW_MS, TradeTimes


def lead_after(*trades: tuple[float, int], calls: int = 1, rate: float = 1.0) -> TradeTimes:
    """Return the times of trades received at these wall times, with a call of `get` after each `calls` of them."""
    times = TradeTimes(rate)
    for number, (at_ms, time_ms) in enumerate(trades):
        times.update("BTCUSDT", time_ms, at_ms)
        if number % calls == 0:
            times.get(at_ms)
    return times


def test_without_trades_nothing_is_known() -> None:
    """And again a minute after the last one."""
    assert TradeTimes().get(0.0) is None
    assert lead_after((0.0, 1000)).get(WINDOW_MS + 1) is None


def test_the_fastest_trades_count() -> None:
    """Twenty trades, 20 to 39 ms in transit: the third fastest, for two may be wrong."""
    lead = lead_after(*((100.0 * n, 1000 + 100 * n - 20 - n) for n in range(20))).get(2000.0)
    assert lead is not None
    assert (lead.ms, lead.is_solid) == (978.0, True)


def test_a_trade_that_is_a_little_ahead_does_not_raise_the_bound() -> None:
    """By 900 ms, which a slow transit of the others could explain."""
    trades = [(100.0 * n, 1000 + 100 * n) for n in range(20)]
    trades[10] = (1000.0, 2900)
    lead = lead_after(*trades).get(2000.0)
    assert lead is not None
    assert lead.ms == 1000.0


def test_copies_of_one_trade_are_one_witness() -> None:
    """A wrong time on two connections, or sent three times, is still one trade."""
    lead = lead_after((0.0, 9000), (1.0, 9000), (2.0, 9000)).get(10.0)
    assert lead is not None
    assert not lead.is_solid


def test_symbols_outvote_one_that_is_wrong_however_often_it_trades() -> None:
    """One vote for each."""
    times = lead_after(*((n, 3_600_000 + n) for n in range(100)), calls=7)
    for symbol in ("ETHUSDT", "SOLUSDT"):
        times.update(symbol, 150, 150.0)
    lead = times.get(200.0)
    assert lead is not None
    assert lead.ms == 0.0


def test_a_replays_speed_multiplies_the_wall_time() -> None:
    """At speed 20 a wall millisecond is 20 ms of the exchange."""
    lead = lead_after(*((float(n), 5000 + 20 * n) for n in range(5)), rate=20.0).get(10.0)
    assert lead is not None
    assert lead.ms == 5000.0
