"""Queries of past trades and klines: what lies before now, and no more than was asked for."""

from app.emulator import history
from app.emulator.replay import ReplayMarket

START_MS = 1_700_000_000_000
END_US = (START_MS + 10_000) * 1000


def test_a_trade_is_past_once_it_was_due(small_market: ReplayMarket) -> None:
    """The trade received at 3,105 ms is absent until then, whatever its trade time."""
    for now_ms, last_id in ((3104, 3), (3106, 4)):
        trades = history.trades_from_id(small_market, "BTCUSDT", 1, 100, (START_MS + now_ms) * 1000)
        assert trades.ids.tolist()[-1] == last_id


def test_a_start_gives_the_first_trades_and_no_start_the_last(small_market: ReplayMarket) -> None:
    """With a limit of two: the first two from the start on, else the last two up to the end, which is included."""
    bounds = ((START_MS + 400, None, [2, 3]), (None, START_MS + 3100, [3, 4]), (None, None, [4, 5]))
    for start_ms, end_ms, ids in bounds:
        found = history.trades_between(
            small_market, "BTCUSDT", start_ms=start_ms, end_ms=end_ms, limit=2, now_us=END_US
        )
        assert found.ids.tolist() == ids


def test_ids_are_inclusive(small_market: ReplayMarket) -> None:
    """The trade with the given id comes first; ids beyond the last give nothing."""
    assert history.trades_from_id(small_market, "BTCUSDT", 2, 2, END_US).ids.tolist() == [2, 3]
    assert len(history.trades_from_id(small_market, "BTCUSDT", 6, 2, END_US)) == 0


def test_the_kline_now_open_is_included(small_market: ReplayMarket) -> None:
    """Without bounds the last klines come, up to the one that is open now."""
    rows = history.klines(
        small_market, "BTCUSDT", "1s", start_ms=None, end_ms=None, limit=2, now_us=(START_MS + 3200) * 1000
    )
    assert [row[0] for row in rows] == [START_MS + 2000, START_MS + 3000]
    assert rows[1][4] == "101.00000000"


def test_klines_do_not_begin_before_the_first_trade(small_market: ReplayMarket) -> None:
    """A start in the far past means the first kline there is; an end before it gives none."""
    first = history.klines(small_market, "BTCUSDT", "1s", start_ms=0, end_ms=None, limit=1, now_us=END_US)
    assert [row[0] for row in first] == [START_MS]
    assert history.klines(small_market, "BTCUSDT", "1s", start_ms=0, end_ms=5, limit=1, now_us=END_US) == []
