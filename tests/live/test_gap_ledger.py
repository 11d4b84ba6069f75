"""Absences, bans, lost ids and kill −9 during backfill: every id in `btc.ticks` or `btc.backfill`, or named as lost."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp
import msgspec
import pytest

from app.clock import wall_ms
from app.collector.collector import Collector
from app.collector.gaps_log import newest
from app.collector.rest_client import RestClient
from app.collector.ticks_log import TicksLog
from app.domain.ticks import Trade
from app.emulator import Exchange, synthetic
from app.emulator.fault import Fault
from app.kafka import topics
from app.kafka.reading import read_records, read_topic
from app.kafka.topics import BACKFILL, GAPS, TICKS
from app.records import Gap, TickBatch, Ticks
from app.settings import Settings
from tests.exchange import exchange_with
from tests.live.test_collector import batches, collecting, replicas, until

SYMBOL = "BTCUSDT"
AWAY_S = 75 * 60


@pytest.fixture
async def exchange() -> AsyncIterator[Exchange]:
    """Serve a synthetic market."""
    async with exchange_with(source=synthetic(7, ticks_per_s=20)) as running:
        yield running


@pytest.fixture
def settings(kafka: str, prefix: str, exchange: Exchange) -> Settings:
    """Return the settings of a collector of this test alone."""
    return Settings(
        kafka_url=kafka, topic_prefix=prefix, app_id=prefix,
        exchange_ws_url=exchange.ws_url, exchange_rest_url=exchange.rest_url,
    )  # fmt: skip


async def backfilled(settings: Settings) -> list[int]:
    """Return the trade ids in `btc.backfill`, repeats included."""
    found = [batch async for batch in read_records(settings, BACKFILL, TickBatch)]
    return [one for batch in found for ticks in batch.symbols.values() for one in ticks.trades.id]


async def gaps(settings: Settings, stream: str = "trades") -> list[Gap]:
    """Return the newest record of each gap."""
    found = [msgspec.json.decode(message.value, type=Gap) async for message in read_topic(settings, GAPS)]
    return [gap for gap in newest(found) if gap.stream == stream]


async def was_away(settings: Settings, exchange: Exchange, away_s: float = AWAY_S) -> int:
    """Write a batch as a collector of `away_s` ago would have; return its newest trade id."""
    await topics.ensure(settings, (TICKS, GAPS, BACKFILL))
    second = int(wall_ms() / 1000 - away_s)
    last_id = await id_at(exchange, second * 1000)
    partition = topics.partition_of(SYMBOL, settings.partitions)
    async with TicksLog(settings) as log:
        symbols = {SYMBOL: Ticks(last_id=last_id)}
        await log.write([TickBatch(partition=partition, second=second, closed_ms=0.0, generation=1, symbols=symbols)])
    return last_id


async def id_at(exchange: Exchange, at_ms: int, symbol: str = SYMBOL) -> int:
    """Return the id of the exchange's first trade from a time on."""
    url = f"{exchange.rest_url}/api/v3/aggTrades?symbol={symbol}&startTime={at_ms}&endTime={at_ms + 60_000}&limit=1"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return int((await answer.json())[0]["a"])


def is_settled(settings: Settings, known: int = 1) -> Callable[[], Awaitable[bool]]:
    """Return a condition for `until`: so many gaps are known and none of them is open."""

    async def check() -> bool:
        await asyncio.sleep(0.5)
        found = await gaps(settings)
        return len(found) >= known and all(gap.state != "open" for gap in found)

    return check


async def assert_each_once_or_named(settings: Settings, first_id: int) -> None:
    """Every id from the first to the last one written is read exactly once, or lost by name."""
    kept = await batches(settings)
    live = [one for batch in kept for one in batch.symbols[SYMBOL].trades.id]
    late = set(await backfilled(settings))
    lost = {one for gap in await gaps(settings) for first, last in gap.lost_ids for one in range(first, last + 1)}
    assert len(live) == len(set(live))
    assert not set(live) & late
    assert not lost & (late | set(live))
    assert sorted({*live, *late, *lost}) == list(range(first_id, kept[-1].symbols[SYMBOL].last_id + 1))


async def test_after_75_minutes_away_it_is_live_at_once_and_every_trade_is_backfilled(
    settings: Settings, exchange: Exchange
) -> None:
    """The hole is in the ledger, filled beside; no second is invented."""
    last_id = await was_away(settings, exchange)
    async with collecting(settings) as collector:
        await until_live(collector)
        await until(is_settled(settings), 120.0)
        assert collector.progress["lag_s"] < 2
    await assert_each_once_or_named(settings, last_id + 1)
    (gap,) = await gaps(settings)
    assert (gap.state, gap.reason, gap.ids) == ("filled", "absent", [])
    seconds = [batch.second for batch in await batches(settings)]
    assert seconds[1] - seconds[0] >= AWAY_S - 60


async def until_live(collector: Collector, within_s: float = 3.0) -> None:
    """Wait for the first batch; it may leave so long after the first frame, and a second has to end first."""
    await asyncio.wait_for(collector._market.first_frame.wait(), 10.0)
    started_s = time.monotonic()
    await until(lambda: collector.progress["batches"] > 0)
    assert time.monotonic() - started_s < within_s + 1.0  # a slow machine


@pytest.mark.parametrize("away_s", [20.0, AWAY_S])
async def test_a_ban_during_a_takeover_delays_nothing_and_the_hole_is_filled_when_it_ends(
    settings: Settings, exchange: Exchange, away_s: float
) -> None:
    """418 for trades; the exchange's clock is known."""
    last_id = await was_away(settings, exchange, away_s)
    exchange.faults.inject(Fault("ban", 12.0, paths=("aggTrades",), retry_after_s=12))
    async with collecting(settings) as collector:
        await until_live(collector, 4.0)
        await until(lambda: collector.progress["open_ids"] > 0)
        assert await backfilled(settings) == []
        await until(is_settled(settings), 120.0)
    await assert_each_once_or_named(settings, last_id + 1)


async def test_a_collector_killed_during_backfill_repeats_one_piece_at_most(
    settings: Settings, exchange: Exchange, tmp_path: Path
) -> None:
    """Kill −9 twice while pieces are written."""
    last_id = await was_away(settings, exchange)
    with replicas(settings, tmp_path) as start:
        for pieces in (2_000, 12_000):
            replica = start("a")

            async def is_under_way(least: int = pieces) -> bool:
                await asyncio.sleep(0.1)
                return len(await backfilled(settings)) >= least

            await until(is_under_way)
            replica.process.kill()
            replica.process.wait()
        assert any(gap.state == "open" for gap in await gaps(settings))
        start("a")
        await until(is_settled(settings), 120.0)
    ids = await backfilled(settings)
    assert len(ids) - len(set(ids)) <= 2_000
    await assert_each_once_or_named(settings, last_id + 1)


async def test_ids_that_the_exchange_does_not_have_are_named_as_lost(
    settings: Settings, exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stream skips 40 trades; REST passes over every seventh id."""

    async def with_holes(self: RestClient, symbol: str, from_id: int) -> list[Trade]:
        return [trade for trade in await get_trades(self, symbol, from_id) if trade.id % 7]

    get_trades = RestClient.get_trades
    monkeypatch.setattr(RestClient, "get_trades", with_holes)
    async with collecting(settings) as collector:
        await until(lambda: collector.progress["trades"] > 50)
        exchange.faults.inject(Fault("skip", streams=("aggTrade",), count=40))
        await until(lambda: collector.progress["lost"] > 0)
        await until(is_settled(settings))
        await asyncio.sleep(1.0)
    await assert_each_once_or_named(settings, (await batches(settings))[0].symbols[SYMBOL].trades.id[0])
    lost = [one for gap in await gaps(settings) for first, last in gap.lost_ids for one in range(first, last + 1)]
    assert 5 <= len(lost) <= 6
    assert all(one % 7 == 0 for one in lost)
