"""Klines over REST: pages, pauses, refusals."""

import httpx
import numpy as np
import pytest
import stamina

from app.domain import features
from app.training.klines import HistoryError, series_of_klines
from tests.training.binance import Binance, kline


async def test_history_is_pulled_page_by_page_and_later_only_what_is_new() -> None:
    """3,000 seconds are three pages; ten seconds later one more page tops them up."""
    exchange, reports = Binance(0, 10_000), list[str]()
    klines = exchange.klines(3000, reports)
    series = await klines.series("BTCUSDT")
    assert series is not None
    assert (series.start, series.end, series.mids, exchange.asked) == (7000, 10_000, False, 4)
    assert reports[-1] == "history BTCUSDT 3000/3000 s"
    exchange.now += 10
    series = await klines.series("BTCUSDT")
    assert series is not None
    assert (series.start, series.end, exchange.asked) == (7010, 10_010, 6)


async def test_a_busy_exchange_is_given_the_pause_it_asks_for() -> None:
    """429 and 418 name the seconds to wait; then the work goes on."""
    exchange, reports = Binance(0, 2000, [httpx.Response(429, headers={"Retry-After": "0"})]), list[str]()
    assert await exchange.klines(1000, reports).series("BTCUSDT") is not None
    assert "pause of 0 s (HTTP 429)" in reports[0]


async def test_an_exchange_without_history_gives_none_and_a_refusal_is_named() -> None:
    """A replay knows nothing before its start; an unknown symbol is an error with the exchange's own message."""
    assert await Binance(5000, 5000).klines(1000).series("BTCUSDT") is None
    refusing = Binance(0, 10, [httpx.Response(400, json={"code": -1121, "msg": "Invalid symbol."})])
    with pytest.raises(HistoryError, match="Invalid symbol"):
        await refusing.klines(1000).series("NOSUCH")


def test_klines_count_as_last_trades() -> None:
    """A series of klines is marked as prices that are no mids, and its quote features are masked."""
    series = series_of_klines("BTCUSDT", np.array([kline(second) for second in range(400)], np.float64))
    assert not series.mids
    assert not series.features[:, features.NAMES.index("quoted")].any()
    assert series.usable[-1]


async def test_an_exchange_that_fails_for_a_moment_is_asked_again() -> None:
    """Errors of the server and of the connection are temporary; the last one is the reason given in the end."""
    exchange = Binance(0, 2000, [httpx.Response(502), httpx.Response(200, text="no JSON")])
    with stamina.set_testing(True, attempts=3):
        assert await exchange.klines(1000).series("BTCUSDT") is not None
        down = Binance(0, 2000, [httpx.Response(503)] * 3)
        with pytest.raises(HistoryError, match=r"/api/v3/time does not answer: HTTP 503"):
            await down.klines(1000).series("BTCUSDT")
    assert down.asked == 3
