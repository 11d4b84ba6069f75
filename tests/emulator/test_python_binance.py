"""python-binance as a client of the emulator: only its two base URLs are changed."""

import time
from collections.abc import AsyncIterator

import pytest
from binance import AsyncClient, BinanceSocketManager
from binance.exceptions import BinanceAPIException

from app.emulator import Exchange, synthetic


@pytest.fixture
async def exchange() -> AsyncIterator[Exchange]:
    """Return a running synthetic exchange."""
    async with Exchange(synthetic(7, 2, ticks_per_s=150)) as running:
        yield running


@pytest.fixture
async def client(exchange: Exchange) -> AsyncIterator[AsyncClient]:
    """Return python-binance's client, pointed at the exchange; `create` pings and asks the time."""

    class Local(AsyncClient):  # type: ignore[misc]
        API_URL = exchange.rest_url + "/api"

    local = await Local.create()
    yield local
    await local.close_connection()


async def test_its_stream_reader_gets_trades_and_quotes(exchange: Exchange, client: AsyncClient) -> None:
    """A multiplex socket yields messages with consecutive ids."""
    sockets = BinanceSocketManager(client, max_queue_size=10_000)
    sockets.STREAM_URL = exchange.ws_url
    sockets.ws_kwargs = {"proxy": None}
    async with sockets.multiplex_socket(["btcusdt@aggTrade", "btcusdt@bookTicker", "ethusdt@aggTrade"]) as socket:
        messages = [await socket.recv() for _ in range(60)]
    ids = [message["data"]["a"] for message in messages if message["stream"] == "btcusdt@aggTrade"]
    assert ids == list(range(ids[0], ids[0] + len(ids)))
    assert {message["stream"] for message in messages} >= {"btcusdt@aggTrade", "btcusdt@bookTicker"}


async def test_its_rest_calls_answer(client: AsyncClient) -> None:
    """Time, exchange info, klines, trades, tickers and order book are answered as it expects."""
    assert abs((await client.get_server_time())["serverTime"] - time.time() * 1000) < 2000
    assert len((await client.get_exchange_info())["symbols"]) == 2
    assert (await client.get_symbol_info("BTCUSDT"))["symbol"] == "BTCUSDT"
    klines = await client.get_klines(symbol="BTCUSDT", interval="1s", limit=10)
    assert [len(row) for row in klines] == [12] * 10
    history = await client.get_historical_klines("BTCUSDT", "1s", "30 minutes ago UTC")
    opened = [row[0] for row in history]
    assert len(opened) > 1700
    assert opened == list(range(opened[0], opened[0] + 1000 * len(opened), 1000))
    trades = await client.get_aggregate_trades(symbol="BTCUSDT", limit=20)
    assert len(trades) == 20
    assert float((await client.get_orderbook_ticker(symbol="ETHUSDT"))["bidPrice"]) > 0
    assert (await client.get_order_book(symbol="ETHUSDT"))["bids"]


async def test_its_errors_are_recognised(client: AsyncClient) -> None:
    """A wrong symbol raises its own exception, with Binance's code."""
    with pytest.raises(BinanceAPIException) as caught:
        await client.get_klines(symbol="NOPE", interval="1s")
    assert caught.value.code == -1121
