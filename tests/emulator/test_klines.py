"""Klines of known trades."""

from app.emulator.columns import empty_trades
from app.emulator.klines import kline_rows
from app.emulator.replay import ReplayMarket

START_MS = 1_700_000_000_000


def test_a_kline_sums_its_trades(small_market: ReplayMarket) -> None:
    """Open, high, low, close, volume, turnover, count and the takers' purchases of three seconds."""
    (trades,) = small_market.past_trades("BTCUSDT", START_MS, START_MS + 2000)
    (row, _) = kline_rows(
        trades, small_market.scale("BTCUSDT"), 1000, first_ms=START_MS, last_ms=START_MS + 1000, before=None
    )
    assert row == [
        START_MS, "100.00000000", "102.50000000", "100.00000000", "102.50000000", "1.50000000", START_MS + 999,
        "151.25000000", 2, "1.00000000", "100.00000000", "0",
    ]  # fmt: skip


def test_an_interval_without_a_trade_is_flat_at_the_last_price(small_market: ReplayMarket) -> None:
    """Without trades in second 1, it repeats the close of second 0, with no volume."""
    (trades,) = small_market.past_trades("BTCUSDT", START_MS, START_MS + 1000)
    rows = kline_rows(
        trades, small_market.scale("BTCUSDT"), 1000, first_ms=START_MS, last_ms=START_MS + 1000, before=None
    )
    assert rows[1][1:6] == ["102.50000000"] * 4 + ["0.00000000"]
    assert rows[1][8] == 0


def test_before_the_first_trade_there_are_no_klines_without_a_price(small_market: ReplayMarket) -> None:
    """Without trades the price before decides: flat klines with it, none without it."""
    scale = small_market.scale("BTCUSDT")
    for before, count in ((None, 0), (9950, 3)):
        assert len(kline_rows(empty_trades(), scale, 1000, first_ms=0, last_ms=2000, before=before)) == count
