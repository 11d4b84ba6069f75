"""Binance's own client (`binance-sdk-spot`) on the emulator: only its two base URLs are changed.

Its predecessor `binance-connector` cannot be installed beside python-binance: both bring a package `binance`.
"""

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import pytest
from binance_common.configuration import ConfigurationRestAPI, ConfigurationWebSocketStreams
from binance_common.errors import BadRequestError, TooManyRequestsError
from binance_sdk_spot import Spot

from app.emulator import Exchange, synthetic
from app.emulator.fault import Fault
from tests.exchange import exchange_with


@pytest.fixture
async def exchange() -> AsyncIterator[Exchange]:
    """Return a running exchange of two symbols."""
    async with exchange_with(source=synthetic(7, 2, ticks_per_s=150)) as running:
        yield running


@pytest.fixture
def client(exchange: Exchange, monkeypatch: pytest.MonkeyPatch) -> Spot:
    """Return Binance's client; it uses `requests`, which must not take loopback to a proxy."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    rest = ConfigurationRestAPI(base_path=exchange.rest_url, retries=0, timeout=10_000)
    streams = ConfigurationWebSocketStreams(stream_url=exchange.ws_url.rstrip("/"))
    return Spot(config_rest_api=rest, config_ws_streams=streams)


async def call(method: Any, **parameters: Any) -> Any:
    """Return the parsed answer of a REST call, which blocks and so runs in a thread."""
    return await asyncio.to_thread(lambda: method(**parameters).data())


async def test_its_rest_calls_are_answered(exchange: Exchange, client: Spot) -> None:
    """Time, rules, book, trades by id and klines pass its models, field by field."""
    rest = client.rest_api
    assert abs((await call(rest.time)).server_time - exchange.clock.now_us() / 1000) < 2000
    info = await call(rest.exchange_info, symbol="BTCUSDT")
    assert [(one.symbol, one.status) for one in info.symbols] == [("BTCUSDT", "TRADING")]
    book = await call(rest.depth, symbol="BTCUSDT", limit=100)
    assert (len(book.bids), len(book.asks)) == (20, 20)
    assert float(book.bids[0][0]) < float(book.asks[0][0])
    trades = await call(rest.agg_trades, symbol="BTCUSDT", limit=20)
    again = await call(rest.agg_trades, symbol="BTCUSDT", from_id=trades[5].a, limit=3)
    assert [trade.a for trade in again] == [trade.a for trade in trades[5:8]]
    klines = await call(rest.klines, symbol="BTCUSDT", interval="1s", limit=5)
    assert [later[0] - before[0] for before, later in pairwise(klines)] == [1000] * 4


async def test_its_errors_are_recognised(exchange: Exchange, client: Spot) -> None:
    """A wrong symbol and a rate limit raise its own exceptions."""
    with pytest.raises(BadRequestError, match="Invalid symbol"):
        await call(client.rest_api.depth, symbol="NOPE")
    exchange.faults.inject(Fault("too_many_requests", count=1))
    with pytest.raises(TooManyRequestsError):
        await call(client.rest_api.time)


async def test_its_streams_are_served(client: Spot) -> None:
    """Trades, quotes, top 20, differences and klines pass its models; ids run without a hole."""
    connection = await client.websocket_streams.create_connection()  # type: ignore[no-untyped-call]
    got: dict[str, list[Any]] = {name: [] for name in ("trades", "quotes", "tops", "diffs", "klines")}
    try:
        streams = {
            "trades": await connection.agg_trade(symbol="btcusdt"),
            "quotes": await connection.book_ticker(symbol="btcusdt"),
            "tops": await connection.partial_book_depth(symbol="btcusdt", levels="20", update_speed="100ms"),
            "diffs": await connection.diff_book_depth(symbol="btcusdt", update_speed="100ms"),
            "klines": await connection.kline(symbol="ethusdt", interval="1s"),
        }
        for name, stream in streams.items():
            stream.on("message", got[name].append)
        async with asyncio.timeout(15):
            while not all(len(found) >= least for found, least in zip(got.values(), (50, 50, 10, 10, 1), strict=True)):
                await asyncio.sleep(0.05)
    finally:
        await connection.close_connection()
    assert all(later.a == before.a + 1 for before, later in pairwise(got["trades"]))
    assert all(before.u + 1 == later.U for before, later in pairwise(got["diffs"]))
    assert all(len(top.bids) == 20 for top in got["tops"])
    assert {quote.s for quote in got["quotes"]} == {"BTCUSDT"}
    assert {kline.s for kline in got["klines"]} == {"ETHUSDT"}
