"""Connections to an emulated exchange, replaced ahead of time, after a cut and after a fault; and its REST API."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from binance.exceptions import BinanceAPIException

from app.collector.binance_messages import decode
from app.collector.market_streams import MarketStreams
from app.collector.receipt import Receipt
from app.collector.rest_client import RestClient
from app.domain.ticks import Quote, Trade
from app.emulator import Exchange, replay
from app.emulator.fault_injection import Fault
from app.metrics import TICKS_RECONNECTS
from app.settings import Settings

RECORDING = "binance-ws/spot-btcusdt-20230405.dat.gz"
FIRST_ID = 3071245454


class Received:
    """The ids of trades and quotes received; a frame that two connections carry counts twice in `frames` only."""

    def __init__(self) -> None:
        self.frames = 0
        self.trades: set[int] = set()
        self.quotes: set[int] = set()

    def receive(self, raw: str | bytes, _at_ms: float, _receipt: Receipt) -> bool:
        """Decode a frame."""
        self.frames += 1
        event = decode(raw, 0)
        if isinstance(event, Trade):
            self.trades.add(event.id)
        elif isinstance(event, Quote):
            self.quotes.add(event.update_id)
        return False


def reconnects(reason: str) -> float:
    """Return how often a connection was replaced for this reason."""
    return float(TICKS_RECONNECTS.labels(reason)._value.get())


@asynccontextmanager
async def streaming(settings: Settings) -> AsyncIterator[tuple[MarketStreams, Received]]:
    """Run the market streams."""
    received = Received()
    streams = MarketStreams(settings, received.receive)
    task = asyncio.create_task(streams.run())
    try:
        yield streams, received
    finally:
        task.cancel()
        await asyncio.wait([task])
    assert task.cancelled()


def to(exchange: Exchange, **more: object) -> Settings:
    """Return settings for this exchange."""
    return Settings.model_validate(
        {"exchange_ws_url": exchange.ws_url, "exchange_rest_url": exchange.rest_url, "speed": 20.0, **more}
    )


async def test_connections_replaced_ahead_of_time_overlap_so_nothing_is_missed(recordings: Path) -> None:
    """Each connection lives half a second."""
    before = reconnects("age")
    async with Exchange(replay([recordings / RECORDING]), speed=20.0) as exchange:
        async with streaming(to(exchange, exchange_life_s=0.5)) as (streams, received):
            await asyncio.sleep(3.5)
            assert streams.connection_count >= 1
        assert reconnects("age") - before >= 4
        assert received.trades == set(range(FIRST_ID, max(received.trades) + 1))
        assert len(received.quotes) > 500
        assert received.frames > len(received.trades) + len(received.quotes)
        assert max(exchange.sent.ids("BTCUSDT")) - max(received.trades) < 200


async def test_a_connection_that_is_cut_is_opened_again_at_once(recordings: Path) -> None:
    """As after a restart at the exchange."""
    async with (
        Exchange(replay([recordings / RECORDING]), speed=20.0) as exchange,
        streaming(to(exchange)) as (_, received),
    ):
        await asyncio.sleep(0.5)
        exchange.faults.inject(Fault("disconnect"))
        await asyncio.sleep(0.5)
        before = received.frames
        await asyncio.sleep(0.5)
        assert received.frames > before > 0


async def test_an_exchange_that_is_down_is_one_clear_log_line_and_the_next_endpoint_is_tried(
    recordings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Failover between endpoints."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        dead = f"127.0.0.1:{taken.getsockname()[1]}"
    async with (
        Exchange(replay([recordings / RECORDING]), speed=20.0) as exchange,
        streaming(to(exchange, exchange_ws_url=f"ws://{dead},{exchange.ws_url}")) as (_, received),
    ):
        await asyncio.sleep(1)
        assert received.frames > 0
    logged = "".join(capsys.readouterr())
    assert f"Binance at ws://{dead} cannot be reached" in logged
    assert "btc up --exchange synthetic" in logged
    assert "Traceback" not in logged


async def test_rest_gives_trades_by_id_and_the_exchanges_clock(recordings: Path) -> None:
    """A replay has no history but what it has played, so it plays a second first."""
    async with Exchange(replay([recordings / RECORDING]), speed=20.0, hold=False) as exchange:
        rest = RestClient(exchange.rest_url)
        try:
            await asyncio.sleep(1)
            trades = await rest.get_trades("BTCUSDT", FIRST_ID + 5)
            assert [trade.id for trade in trades[:2]] == [FIRST_ID + 5, FIRST_ID + 6]
            clock, _ = await rest.get_clock(20.0)
            assert abs(clock.exchange_ms() - exchange.clock.now_us() / 1000) < 30 * 20  # 30 ms wall
        finally:
            await rest.close()


async def test_a_refusal_is_obeyed_for_as_long_as_it_says(recordings: Path) -> None:
    """429 with Retry-After: the next request waits; asking on would become a ban."""
    async with Exchange(replay([recordings / RECORDING]), speed=20.0, hold=False) as exchange:
        rest = RestClient(exchange.rest_url)
        try:
            exchange.faults.inject(Fault("too_many_requests", 1.0))
            with pytest.raises(BinanceAPIException):
                await rest.get_trades("BTCUSDT", FIRST_ID)
            loop = asyncio.get_running_loop()
            asked_s = loop.time()
            assert isinstance(await rest.get_trades("BTCUSDT", FIRST_ID), list)
            assert loop.time() - asked_s > 0.9
        finally:
            await rest.close()


async def test_endpoints_of_rest_take_turns_after_a_failure(recordings: Path) -> None:
    """The first does not exist."""
    async with Exchange(replay([recordings / RECORDING]), speed=20.0, hold=False) as exchange:
        rest = RestClient(f"http://127.0.0.1:9,{exchange.rest_url}")
        try:
            with pytest.raises(OSError, match=r"127\.0\.0\.1:9"):
                await rest.get_trades("BTCUSDT", FIRST_ID)
            assert isinstance(await rest.get_trades("BTCUSDT", FIRST_ID), list)
        finally:
            await rest.close()
