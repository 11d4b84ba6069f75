"""What the exchange sent against what stands in `btc.ticks`: every digit, microsecond, id and level."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from itertools import pairwise

import pytest

from app.collector.collector import Collector
from app.domain.decimals import decimals
from app.emulator import Exchange, synthetic
from app.emulator.fault import Fault
from app.records import Ticks
from app.settings import Settings
from tests.live.test_collector import batches

MARKET = synthetic(7, ticks_per_s=300)


@pytest.fixture
async def exchange() -> AsyncIterator[Exchange]:
    """Serve a synthetic BTCUSDT that loses a few trades on their way."""
    lost = Fault("skip", after_s=2.0, count=5, streams=("aggTrade",))
    async with Exchange(MARKET, scenario=(lost,)) as running:
        yield running


async def collected(settings: Settings, seconds: int) -> list[Ticks]:
    """Collect for so many seconds; return what readers see of BTCUSDT, complete seconds only."""
    collector = Collector(settings)
    task = asyncio.create_task(collector.run())
    async with asyncio.timeout(60):
        while collector.progress["batches"] < seconds:
            await asyncio.sleep(0.1)
    task.cancel()
    await asyncio.wait([task])
    return [batch.symbols["BTCUSDT"] for batch in await batches(settings)][1:]


def sent(first_ms: int, last_ms: int) -> dict[int, tuple[str, str, int]]:
    """Return price, quantity and time in µs of each trade that the market made from first to last, by id."""
    scale, trades = MARKET.scale("BTCUSDT"), {}
    for piece in MARKET.past_trades("BTCUSDT", first_ms, last_ms + 1):
        for trade_id, due_us, ticks, lots in zip(piece.ids, piece.due_us, piece.ticks, piece.lots, strict=True):
            trades[int(trade_id)] = (scale.price(int(ticks)), scale.qty(int(lots)), int(due_us))
    return trades


def assert_trades(seconds: list[Ticks]) -> None:
    """Every trade is the market's, to the last digit and microsecond, also those that were fetched."""
    times_ms = [time_ms for ticks in seconds for time_ms in ticks.trades.time_ms]
    made = sent(min(times_ms), max(times_ms))
    for trades in (ticks.trades for ticks in seconds):
        exact = (decimals(name, getattr(trades, name), trades.exact) for name in ("price", "quantity"))
        times_us = [time_ms * 1000 + us for time_ms, us in zip(trades.time_ms, trades.microsecond, strict=True)]
        for trade_id, *came in zip(trades.id, *exact, times_us, strict=True):
            price, quantity, time_us = made[trade_id]
            assert came == [Decimal(price), Decimal(quantity), time_us]
        assert trades.first_id == trades.last_id == trades.id  # each aggregate of this market holds one trade


async def test_a_batch_holds_what_the_exchange_sent_and_how_it_came(
    kafka: str, prefix: str, exchange: Exchange
) -> None:
    """Trades, quotes and the book of eight seconds; five trades are lost and fetched."""
    settings = Settings(
        kafka_url=kafka, topic_prefix=prefix, app_id=prefix, exchange_ws_url=exchange.ws_url,
        exchange_rest_url=exchange.rest_url,
    )  # fmt: skip
    seconds = await collected(settings, 8)
    assert_trades(seconds)
    ways = [way for ticks in seconds for way in ticks.trades.connection]
    assert ways.count(0) == 5
    assert len(set(ways)) == 2
    for ticks in seconds:
        quotes, book = ticks.quotes, ticks.book
        assert all(low < high for low, high in pairwise(quotes.update_id))
        assert all(low <= high for low, high in pairwise(quotes.received_ns))
        assert len(quotes.update_id) == len(quotes.connection) == len(quotes.time_ms) > 20
        assert min(quotes.connection) > 0
        assert book is not None
        assert [len(side) for side in (book.bid, book.bid_size, book.ask, book.ask_size)] == [20] * 4
        assert book.time_ms // 1000 == quotes.time_ms[-1] // 1000
        assert quotes.received_ns[-1] - book.received_ns < 250_000_000  # one of the last of its second
    assert {ticks.book.update_id for ticks in seconds if ticks.book} <= update_ids(seconds)


def update_ids(seconds: list[Ticks]) -> set[int]:
    """Return the update ids of all quotes: each book is the one after some quote."""
    return {number for ticks in seconds for number in ticks.quotes.update_id}


async def test_without_the_book_nothing_of_it_is_asked_for(kafka: str, prefix: str, exchange: Exchange) -> None:
    """`BTC_BOOK_LEVELS=0`."""
    settings = Settings(
        kafka_url=kafka, topic_prefix=prefix, app_id=prefix, exchange_ws_url=exchange.ws_url,
        exchange_rest_url=exchange.rest_url, book_levels=0,
    )  # fmt: skip
    seconds = await collected(settings, 3)
    assert [ticks.book for ticks in seconds] == [None] * len(seconds)
    assert set(exchange.sent.summary()["BTCUSDT"]) == {"aggTrade", "bookTicker"}
