"""Connections are replaced ahead of time, after a loss and after a failure, without a network."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import stamina

from app.collector import market_streams
from app.collector.market_connection import MarketConnection, OnFrame
from app.collector.market_streams import STREAMS_PER_CONNECTION, MarketStreams
from app.collector.stream_watch import OnOutage, StreamWatch
from app.settings import Settings


class FakeConnection(MarketConnection):
    """A connection that ends when the test says so."""

    made: list["FakeConnection"]
    down: set[str]

    def __init__(
        self,
        url: str,
        streams: list[str],
        on_frame: OnFrame,
        watch: StreamWatch | None = None,
        on_first_frame: Callable[[], None] = lambda: None,
    ) -> None:
        assert watch is not None
        self.watch, self.worked = watch, on_first_frame
        self.url, self.streams, self.on_frame = url, streams, on_frame
        self.first_frame = asyncio.Event()
        self.reason: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.loss: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.closed = False
        self.made.append(self)

    async def open(self) -> None:
        """Connect, if the endpoint is up."""
        if self.url in self.down:
            raise OSError("refused")
        self.watch.up(0.0)

    async def close(self) -> None:
        """Close."""
        self.closed = True

    async def lost_reason(self) -> str:
        """Wait for the test."""
        return await self.loss

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
    monkeypatch.setattr(market_streams, "FIRST_REPLACE_WAIT_S", 0.02)
    return FakeConnection.made


@asynccontextmanager
async def streaming(
    urls: str = "ws://a", symbols: int = 1, on_outage: OnOutage | None = None
) -> AsyncIterator[MarketStreams]:
    """Run the streams of some symbols."""
    names = tuple(f"S{number:03}USDT" for number in range(symbols))
    streams = MarketStreams(
        Settings(exchange_ws_url=urls, symbols=names, exchange_life_s=9.0), lambda *_frame: False, on_outage
    )
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


async def test_a_connection_that_ends_soon_by_plan_is_replaced_after_longer_and_longer_waits(
    made: list[FakeConnection], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shutdown notice on every new connection must not make a storm; each lasts twice as long as the one before."""
    monkeypatch.setattr(market_streams, "OVERLAP_S", 0.0)
    waits: list[float] = []
    async with streaming() as streams:
        for number in range(4):
            await until(lambda at=number: len(made) == at + 1)  # type: ignore[misc]
            made[number].worked()
            ended_s = asyncio.get_running_loop().time()
            made[number].reason.set_result("shutdown notice")
            await until(lambda at=number: len(made) == at + 2)  # type: ignore[misc]
            waits.append(asyncio.get_running_loop().time() - ended_s)
        assert streams.connection_count >= 1
    assert waits[3] > 0.16
    assert waits[3] > waits[1] > 0.04


async def test_a_silent_connection_stays_open_until_another_is(made: list[FakeConnection]) -> None:
    """It may be a quiet market: then nothing is missed."""
    async with streaming("ws://a,ws://b") as streams:
        await until(lambda: len(made) == 1)
        made[0].reason.set_result("silence")
        await until(lambda: len(made) == 2)
        assert (made[0].closed, made[1].url, streams.connection_count) == (False, "ws://b", 2)
        await until(lambda: made[0].closed)


async def test_an_outage_is_told_when_it_is_over(made: list[FakeConnection]) -> None:
    """From the last frame before it to the first one after it; overlapping connections make none."""
    told: list[tuple[tuple[str, ...], float, float, str]] = []
    async with streaming(on_outage=lambda *outage: told.append(outage)) as streams:
        await until(lambda: len(made) == 1)
        watch = made[0].watch
        watch.update('{"stream":"s000usdt@aggTrade"}', 1.0, 1000.0)
        assert streams.states()["s000usdt@aggTrade"].last_ms == 1000.0
        made[0].reason.set_result("ConnectionClosedError")
        await until(lambda: len(made) == 2)
        assert told == []
        watch.update('{"stream":"s000usdt@bookTicker"}', 4.0, 4000.0)
    assert told == [
        (
            ("s000usdt@aggTrade", "s000usdt@bookTicker", "s000usdt@depth20@100ms"),
            1000.0,
            4000.0,
            "ConnectionClosedError",
        )
    ]


async def test_a_connection_that_is_lost_before_its_successor_is_open_makes_an_outage(
    made: list[FakeConnection], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exchange gave a notice and ended the connection at once."""
    monkeypatch.setattr(market_streams, "FIRST_REPLACE_WAIT_S", 0.1)
    told: list[tuple[tuple[str, ...], float, float, str]] = []
    async with streaming(on_outage=lambda *outage: told.append(outage)) as streams:
        await until(lambda: len(made) == 1)
        watch = made[0].watch
        watch.update('{"stream":"s000usdt@aggTrade"}', 1.0, 1000.0)
        made[0].reason.set_result("shutdown notice")
        made[0].loss.set_result("ConnectionClosedError")
        await until(lambda: not streams.states()["s000usdt@aggTrade"].is_up)
        await until(lambda: len(made) == 2)
        assert streams.states()["s000usdt@aggTrade"].is_up
        watch.update('{"stream":"s000usdt@bookTicker"}', 4.0, 4000.0)
    assert told == [
        (
            ("s000usdt@aggTrade", "s000usdt@bookTicker", "s000usdt@depth20@100ms"),
            1000.0,
            4000.0,
            "ConnectionClosedError",
        )
    ]


async def test_an_endpoint_that_is_down_is_logged_with_advice_and_the_next_one_is_tried(
    made: list[FakeConnection], capsys: pytest.CaptureFixture[str]
) -> None:
    """Until one of them answers."""
    FakeConnection.down = {"ws://a"}
    async with streaming("ws://a,ws://b") as streams:
        await until(lambda: streams.connection_count == 1)
    assert [connection.url for connection in made] == ["ws://a", "ws://b"]
    assert "Binance at ws://a cannot be reached (refused): check the network" in "".join(capsys.readouterr())
