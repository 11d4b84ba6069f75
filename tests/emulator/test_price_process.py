"""The price process: continuity between hours, distribution, and how much of the future is predictable."""

import numpy as np

from app.emulator.instruments import instruments
from app.emulator.price_process import (
    EPOCH_S,
    HOUR_S,
    PriceProcess,
    ar1_path,
    hour_of_trade,
    simulate_hour,
    trades_before,
)
from app.emulator.synthetic import synthetic

NOW_S = 1_795_000_000
BTC = instruments("BTCUSDT")[0]


def r_squared(moves: np.ndarray, forecasts: np.ndarray) -> float:
    return float(1 - np.sum((moves - forecasts) ** 2) / np.sum(moves**2))


def test_an_ar1_path_equals_its_recursion() -> None:
    """The doubling scan equals the loop y = decay · y + innovation."""
    innovations = np.random.default_rng(1).standard_normal(100)
    y, expected = 0.0, []
    for innovation in innovations:
        y = 0.9 * y + innovation
        expected.append(y)
    np.testing.assert_allclose(ar1_path(innovations, 0.9), expected)


def test_an_hour_begins_where_the_one_before_ends() -> None:
    """Price and trade ids continue over the full hour."""
    process = PriceProcess(seed=7)
    for index in (0, 167, 168, 8758, 8759, 8760, 25_000):
        one, next_one = simulate_hour(process, BTC, index), simulate_hour(process, BTC, index + 1)
        assert one.log_mid[-1] == next_one.log_mid[0]
        assert abs(one.log_mid[-1] - one.log_mid[-2]) < 8 * one.sigma[-1]
        assert one.first_ids[-1] == next_one.first_ids[0]


def test_an_hour_is_found_by_its_trade_ids() -> None:
    """First and last id of an hour give its index."""
    process = PriceProcess(seed=7)
    for index in (0, 1, 167, 168, 25_000):
        first = BTC.first_trade_id + trades_before(process, index)
        last = BTC.first_trade_id + trades_before(process, index + 1) - 1
        assert hour_of_trade(process, BTC, first) == hour_of_trade(process, BTC, last) == index


def test_the_signal_has_its_distribution_within_hours_and_across_them() -> None:
    """Unit variance and autocorrelation φ^k, also across a full hour."""
    process = PriceProcess(seed=3)
    signals = np.stack([simulate_hour(process, BTC, index).signal for index in range(600)])
    assert abs(signals.var() - 1) < 0.03
    for lag in (1, 8, 20):
        assert abs(np.mean(signals[:, lag:] * signals[:, :-lag]) - process.decay**lag) < 0.03
        across = np.corrcoef(signals[1:, lag - 1], signals[:-1, -1])[0, 1]
        assert abs(across - process.decay**lag) < 0.1


def test_the_oracle_has_the_skill_of_its_formula() -> None:
    """R² of the oracle on three days is as the formula gives it, and no scaling of it is better."""
    market = synthetic(7, "BTCUSDT")
    seconds = np.arange(NOW_S - 72 * HOUR_S, NOW_S)
    for horizon_s, at_least, at_most in ((5, 0.025, 0.05), (10, 0.025, 0.055), (30, 0.012, 0.04), (300, -0.005, 0.012)):
        moves = market.log_mid("BTCUSDT", seconds + horizon_s) - market.log_mid("BTCUSDT", seconds)
        forecasts = market.oracle("BTCUSDT", seconds, horizon_s)
        assert at_least < r_squared(moves, forecasts) < at_most
        slope = float(np.sum(moves * forecasts) / np.sum(forecasts**2))
        assert abs(slope - 1) < (0.15 if horizon_s <= 30 else 0.5)


def test_a_martingale_is_unpredictable() -> None:
    """Neither the signal nor past returns correlate with the martingale's future."""
    market = synthetic(7, "BTCUSDT", martingale=True)
    seconds = np.arange(NOW_S - 72 * HOUR_S, NOW_S)
    assert not market.oracle("BTCUSDT", seconds, 10).any()
    signal = synthetic(7, "BTCUSDT").oracle("BTCUSDT", seconds, 10)
    log_mid = market.log_mid("BTCUSDT", np.arange(seconds[0] - 60, seconds[-1] + 61))
    before, now, after = log_mid[:-120], log_mid[60:-60], log_mid[70:-50]
    assert abs(np.corrcoef(signal, after - now)[0, 1]) < 0.02
    assert abs(np.corrcoef(now - before, after - now)[0, 1]) < 0.05


def test_volatility_has_the_size_and_rhythm_of_a_real_market() -> None:
    """One-second volatility stays within 1e-5 … 1.5e-4, clusters, and follows the hour of the day."""
    process = PriceProcess(seed=7)
    hours = [simulate_hour(process, BTC, index) for index in range(25_000, 25_000 + 168)]
    by_minute = np.concatenate([hour.sigma[::60] for hour in hours])
    assert by_minute.min() > 4e-6
    assert by_minute.max() < 1.5e-4
    assert 2e-5 < np.median(by_minute) < 5e-5
    assert np.corrcoef(by_minute[:-1], by_minute[1:])[0, 1] > 0.7
    counts = process.hourly_trades
    assert counts[14] > 1.8 * counts[4]
    assert EPOCH_S % 86_400 == 0


def test_more_hours_do_not_change_earlier_ones() -> None:
    """The price of an hour does not depend on later hours that were simulated before."""
    near, far = synthetic(5, "ETHUSDT"), synthetic(5, "ETHUSDT")
    far.log_mid("ETHUSDT", EPOCH_S + 100_000 * HOUR_S)
    seconds = np.arange(EPOCH_S + 5, EPOCH_S + 5000)
    assert (near.log_mid("ETHUSDT", seconds) == far.log_mid("ETHUSDT", seconds)).all()
