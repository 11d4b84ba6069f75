"""Connections are replaced ahead of time, after a loss and after a failure, without a network."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import stamina

from app.collector import market_streams
from app.collector.market_connection import MarketConnection, OnFrame
from app.collector.market_streams import STREAMS_PER_CONNECTION, MarketStreams
from app.settings import Settings


class FakeConnection(MarketConnection):
    """A connection that ends when the test says so."""

    made: list["FakeConnection"]
    down: set[str]

    def __init__(self, url: str, streams: list[str], on_frame: OnFrame) -> None:
        self.url, self.streams, self.on_frame = url, streams, on_frame
        self.first_frame = asyncio.Event()
        self.reason: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.closed = False
        self.made.append(self)

    async def open(self) -> None:
        """Connect, if the endpoint is up."""
        if self.url in self.down:
            raise OSError("refused")

    async def close(self) -> None:
        """Close."""
        self.closed = True

    async def end_reason(self, max_age_s: float) -> str:
        """Wait for the test."""
        assert max_age_s == 9.0
        return await self.reason


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[FakeConnection]:
    """Collect the connections; pauses are short."""
    FakeConnection.made, FakeConnection.down = [], set()
    monkeypatch.setattr(market_streams, "MarketConnection", FakeConnection)
    monkeypatch.setattr(market_streams, "DRAIN_S", 0.02)
    return FakeConnection.made


@asynccontextmanager
async def streaming(urls: str = "ws://a", symbols: int = 1) -> AsyncIterator[MarketStreams]:
    """Run the streams of some symbols."""
    names = tuple(f"S{number:03}USDT" for number in range(symbols))
    streams = MarketStreams(Settings(exchange_ws_url=urls, symbols=names, exchange_life_s=9.0), lambda *_frame: False)
    with stamina.set_testing(True, attempts=100):
        task = asyncio.create_task(streams.run())
        try:
            yield streams
        finally:
            task.cancel()
            await asyncio.wait([task])


async def until(is_so: Callable[[], bool]) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(2.0):
        while not is_so():
            await asyncio.sleep(0.005)


async def test_streams_are_shared_out_over_connections(made: list[FakeConnection]) -> None:
    """Three streams for each symbol."""
    async with streaming(symbols=150) as streams:
        await until(lambda: streams.connection_count == 2)
    assert [len(connection.streams) for connection in made] == [STREAMS_PER_CONNECTION, 150]
    assert all(connection.closed for connection in made)


@pytest.mark.parametrize("reason", ["age", "shutdown notice"])
async def test_an_old_connection_stays_open_until_its_successor_has_a_frame(
    made: list[FakeConnection], reason: str
) -> None:
    """So nothing is missed."""
    async with streaming() as streams:
        await until(lambda: len(made) == 1)
        made[0].reason.set_result(reason)
        await until(lambda: streams.connection_count == 2)
        await asyncio.sleep(0.05)
        assert not made[0].closed
        made[1].first_frame.set()
        await until(lambda: made[0].closed)
        assert (streams.connection_count, made[1].closed) == (1, False)


async def test_a_successor_without_a_frame_does_not_keep_the_old_connection_open(
    made: list[FakeConnection], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five seconds, then the exchange closes it anyway."""
    monkeypatch.setattr(market_streams, "OVERLAP_S", 0.02)
    async with streaming():
        await until(lambda: len(made) == 1)
        made[0].reason.set_result("age")
        await until(lambda: made[0].closed)


async def test_a_lost_connection_is_closed_and_the_next_endpoint_is_used(
    made: list[FakeConnection], capsys: pytest.CaptureFixture[str]
) -> None:
    """With its reason in the log."""
    async with streaming("ws://a,ws://b") as streams:
        await until(lambda: len(made) == 1)
        made[0].reason.set_result("silence")
        await until(lambda: len(made) == 2 and made[0].closed)
        assert (made[1].url, streams.connection_count) == ("ws://b", 1)
    assert "silence" in "".join(capsys.readouterr())


async def test_an_endpoint_that_is_down_is_logged_with_advice_and_the_next_one_is_tried(
    made: list[FakeConnection], capsys: pytest.CaptureFixture[str]
) -> None:
    """Until one of them answers."""
    FakeConnection.down = {"ws://a"}
    async with streaming("ws://a,ws://b") as streams:
        await until(lambda: streams.connection_count == 1)
    assert [connection.url for connection in made] == ["ws://a", "ws://b"]
    assert "Binance at ws://a cannot be reached (refused): check the network" in "".join(capsys.readouterr())
