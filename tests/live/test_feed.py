"""Lines to an emulated exchange: replaced ahead of time, after a cut, after a fault; and REST beside them."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from binance.exceptions import BinanceAPIException

from app.collector.binance import decode
from app.collector.market_streams import MarketStreams
from app.collector.rest_client import RestClient
from app.domain.ticks import Quote, Trade
from app.exchange import Exchange, replay
from app.exchange.fault_injection import Fault
from app.metrics import TICKS_RECONNECTS
from app.settings import Settings

RECORDING = "binance-ws/spot-btcusdt-20230405.dat.gz"
FIRST_ID = 3071245454


class Heard:
    """What came, as a set of ids and update ids; frames that two lines carry count in `frames` only."""

    def __init__(self) -> None:
        self.frames = 0
        self.trades: set[int] = set()
        self.quotes: set[int] = set()

    def receive(self, raw: str | bytes, _at_ms: float) -> bool:
        """Take a frame."""
        self.frames += 1
        said = decode(raw, 0)
        if isinstance(said, Trade):
            self.trades.add(said.id)
        elif isinstance(said, Quote):
            self.quotes.add(said.update_id)
        return False


def replaced(reason: str) -> float:
    """Return how often a line was replaced for this reason."""
    return float(TICKS_RECONNECTS.labels(reason)._value.get())


@asynccontextmanager
async def feeding(settings: Settings) -> AsyncIterator[tuple[MarketStreams, Heard]]:
    """Run a feed."""
    heard, refill = Heard(), RestClient(settings.exchange_rest_url)
    feed = MarketStreams(settings, refill.client, heard.receive)
    task = asyncio.create_task(feed.run())
    try:
        yield feed, heard
    finally:
        task.cancel()
        await asyncio.wait([task])
        await refill.close()
    assert task.cancelled()


def to(exchange: Exchange, **more: object) -> Settings:
    """Return settings for this exchange."""
    return Settings.model_validate(
        {"exchange_ws_url": exchange.ws_url, "exchange_rest_url": exchange.rest_url, "speed": 20.0, **more}
    )


async def test_lines_replaced_ahead_of_time_overlap_so_nothing_is_missed(recordings: Path) -> None:
    """Each line lives half a second."""
    before = replaced("age")
    async with Exchange(replay([recordings / RECORDING]), speed=20.0) as exchange:
        async with feeding(to(exchange, exchange_life_s=0.5)) as (feed, heard):
            await asyncio.sleep(3.5)
            assert feed.connected >= 1
        assert replaced("age") - before >= 4
        assert heard.trades == set(range(FIRST_ID, max(heard.trades) + 1))
        assert len(heard.quotes) > 500
        assert heard.frames > len(heard.trades) + len(heard.quotes)
        assert max(exchange.sent.ids("BTCUSDT")) - max(heard.trades) < 200


async def test_a_line_that_is_cut_is_opened_again_at_once(recordings: Path) -> None:
    """As after a restart at the exchange."""
    async with (
        Exchange(replay([recordings / RECORDING]), speed=20.0) as exchange,
        feeding(to(exchange)) as (_, heard),
    ):
        await asyncio.sleep(0.5)
        exchange.faults.inject(Fault("disconnect"))
        await asyncio.sleep(0.5)
        before = heard.frames
        await asyncio.sleep(0.5)
        assert heard.frames > before > 0


async def test_an_exchange_that_is_away_is_one_clear_line_and_the_next_endpoint_is_tried(
    recordings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Failover between endpoints."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        dead = f"127.0.0.1:{taken.getsockname()[1]}"
    async with (
        Exchange(replay([recordings / RECORDING]), speed=20.0) as exchange,
        feeding(to(exchange, exchange_ws_url=f"ws://{dead},{exchange.ws_url}")) as (_, heard),
    ):
        await asyncio.sleep(1)
        assert heard.frames > 0
    said = "".join(capsys.readouterr())
    assert f"Binance at ws://{dead} cannot be reached" in said
    assert "btc up --exchange synthetic" in said
    assert "Traceback" not in said


async def test_rest_gives_trades_by_id_and_the_exchanges_clock(recordings: Path) -> None:
    """What lies before the start of a replay is its only history, so some must have been played."""
    async with Exchange(replay([recordings / RECORDING]), speed=20.0, hold=False) as exchange:
        refill = RestClient(exchange.rest_url)
        try:
            await asyncio.sleep(1)
            trades = await refill.trades("BTCUSDT", FIRST_ID + 5)
            assert [trade.id for trade in trades[:2]] == [FIRST_ID + 5, FIRST_ID + 6]
            clock = await refill.clock(20.0)
            assert abs(clock.exchange_ms() - exchange.clock.now_us() / 1000) < 30 * 20  # 30 ms wall
        finally:
            await refill.close()


async def test_a_refusal_is_obeyed_for_as_long_as_it_says(recordings: Path) -> None:
    """429 with Retry-After: the next request waits; asking on would become a ban."""
    async with Exchange(replay([recordings / RECORDING]), speed=20.0, hold=False) as exchange:
        refill = RestClient(exchange.rest_url)
        try:
            exchange.faults.inject(Fault("too_many_requests", 1.0))
            with pytest.raises(BinanceAPIException):
                await refill.trades("BTCUSDT", FIRST_ID)
            loop = asyncio.get_running_loop()
            asked_s = loop.time()
            assert isinstance(await refill.trades("BTCUSDT", FIRST_ID), list)
            assert loop.time() - asked_s > 0.9
        finally:
            await refill.close()


async def test_endpoints_of_rest_take_turns_after_a_failure(recordings: Path) -> None:
    """The first does not exist."""
    async with Exchange(replay([recordings / RECORDING]), speed=20.0, hold=False) as exchange:
        refill = RestClient(f"http://127.0.0.1:9,{exchange.rest_url}")
        try:
            with pytest.raises(OSError, match=r"127\.0\.0\.1:9"):
                await refill.trades("BTCUSDT", FIRST_ID)
            assert isinstance(await refill.trades("BTCUSDT", FIRST_ID), list)
        finally:
            await refill.close()
