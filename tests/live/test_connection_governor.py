"""Connections under shutdown storms, bans, black holes and silent streams, against real emulators.

The emulator counts the handshakes: `exchange.faults.requests["streams"]`.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from app.collector import market_connection, market_streams, stream_watch
from app.collector.market_streams import MarketStreams
from app.collector.receipt import Receipt
from app.collector.stream_watch import stream_of
from app.emulator import Exchange, synthetic
from app.emulator.fault import Fault
from app.emulator.sent_record import SentRecord
from app.settings import Settings
from tests.exchange import exchange_with

Outage = tuple[tuple[str, ...], float, float, str]


class Feed:
    """What one replica receives: frames by stream, when the last came, and its outages."""

    def __init__(self, settings: Settings) -> None:
        self.frames: Counter[str] = Counter()
        self.outages: list[Outage] = []
        self.streams = MarketStreams(settings, self._receive, lambda *outage: self.outages.append(outage))

    def _receive(self, raw: str | bytes, _at_ms: float, _receipt: Receipt) -> bool:
        self.frames[stream_of(raw) or ""] += 1
        return b"serverShutdown" in raw if isinstance(raw, bytes) else "serverShutdown" in raw


@asynccontextmanager
async def feeding(urls: str, symbols: tuple[str, ...] = ("BTCUSDT",)) -> AsyncIterator[Feed]:
    """Run the streams of a replica."""
    feed = Feed(Settings(exchange_ws_url=urls, symbols=symbols))
    task = asyncio.create_task(feed.streams.run())
    try:
        yield feed
    finally:
        task.cancel()
        await asyncio.wait([task])
    assert task.cancelled()


async def until(is_so: Callable[[], bool], timeout_s: float = 20.0) -> float:
    """Wait for a condition; return the seconds it took."""
    started_s = time.monotonic()
    async with asyncio.timeout(timeout_s):
        while not is_so():
            await asyncio.sleep(0.02)
    return time.monotonic() - started_s


def handshakes(exchange: Exchange) -> int:
    """Return how many were sent to the exchange."""
    return exchange.faults.requests["streams"]


async def test_a_shutdown_storm_at_three_replicas_stays_far_below_the_limit() -> None:
    """Every new connection gets a notice at once, for 20 s; before, this made 5,700 connections."""
    async with exchange_with() as exchange, AsyncExitStack() as stack:
        feeds = [await stack.enter_async_context(feeding(exchange.ws_url)) for _ in range(3)]
        await until(lambda: all(feed.frames["btcusdt@aggTrade"] for feed in feeds))
        exchange.faults.inject(Fault("server_shutdown", 20.0, grace_s=10.0))
        await asyncio.sleep(20.5)
        frames_before = [feed.frames["btcusdt@aggTrade"] for feed in feeds]
        await asyncio.sleep(1.0)
        assert all(feed.frames["btcusdt@aggTrade"] > before for feed, before in zip(feeds, frames_before, strict=True))
        assert handshakes(exchange) <= 3 * 8
        assert [feed.outages for feed in feeds] == [[], [], []]


async def test_a_storm_of_cuts_is_held_to_the_budget() -> None:
    """Every connection is cut when it opens, for 15 s; the budget of three replicas is 3 × 20 at once."""
    async with exchange_with() as exchange, AsyncExitStack() as stack:
        feeds = [await stack.enter_async_context(feeding(exchange.ws_url)) for _ in range(3)]
        await until(lambda: all(feed.frames["btcusdt@aggTrade"] for feed in feeds))
        exchange.faults.inject(Fault("disconnect", 15.0))
        await asyncio.sleep(15.0)
        assert handshakes(exchange) <= 3 * 20
        frames_before = feeds[0].frames["btcusdt@aggTrade"]
        await until(lambda: feeds[0].frames["btcusdt@aggTrade"] > frames_before, 60.0)


@pytest.fixture
def ten_connections(monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """Return ten symbols whose streams take ten connections."""
    monkeypatch.setattr(market_streams, "STREAMS_PER_CONNECTION", 3)
    return tuple(f"S{number:03}USDT" for number in range(10))


async def test_ten_connections_are_live_at_another_endpoint_within_15_s_of_a_black_hole(
    ten_connections: tuple[str, ...],
) -> None:
    """At the start, with the first endpoint accepting TCP and answering nothing."""
    market = synthetic(7, ",".join(ten_connections))
    async with (
        exchange_with(Fault("black_hole"), source=market) as hole,
        exchange_with(source=market) as exchange,
        feeding(f"{hole.ws_url},{exchange.ws_url}", ten_connections) as feed,
    ):
        assert await until(lambda: len(feed.frames) == 30) < 15.0
        assert handshakes(hole) <= 2
        assert handshakes(exchange) == 10


async def test_ten_live_connections_move_within_15_s_when_their_endpoint_becomes_a_black_hole(
    ten_connections: tuple[str, ...],
) -> None:
    """Its streams fall silent too: nothing but silence says so."""
    market = synthetic(7, ",".join(ten_connections))
    async with (
        exchange_with(source=market) as first,
        exchange_with(source=market) as exchange,
        feeding(f"{first.ws_url},{exchange.ws_url}", ten_connections) as feed,
    ):
        await until(lambda: len(feed.frames) == 30)
        await asyncio.sleep(1.0)
        feed.frames.clear()
        first.faults.inject(Fault("black_hole"))
        first.faults.inject(Fault("silence"))
        feed.frames.clear()
        assert await until(lambda: len(feed.frames) == 30) < 15.0
        assert handshakes(first) + handshakes(exchange) <= 24


async def test_a_banned_address_makes_no_handshake_until_the_ban_ends() -> None:
    """418 with Retry-After, with another endpoint at hand."""
    async with (
        exchange_with(Fault("refuse_handshake", count=1, status=418, retry_after_s=4)) as exchange,
        exchange_with() as other,
        feeding(f"{exchange.ws_url},{other.ws_url}") as feed,
    ):
        await until(lambda: handshakes(exchange) == 1)
        await asyncio.sleep(3.0)
        assert (handshakes(exchange), handshakes(other)) == (1, 0)
        assert await until(lambda: feed.frames["btcusdt@aggTrade"] > 0) < 5.0


async def test_nothing_of_a_seldom_symbol_is_unheard(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A message every 40 s on a connection of its own, a hundred times as fast: limits and looks are scaled alike."""
    for name in ("FIRST_IDLE_S", "LONGEST_IDLE_S", "QUIET_IDLE_S", "STUCK_S", "UNHEARD_S"):
        monkeypatch.setattr(stream_watch, name, getattr(stream_watch, name) / 100)
    monkeypatch.setattr(market_connection, "LOOK_EVERY_S", 0.05)
    seldom = Fault("skip", share=0.92, seed=1)  # of 0.3 messages a second
    async with (
        exchange_with(seldom, source=synthetic(7, ticks_per_s=0.3), speed=100.0, record=tmp_path / "r") as exchange,
        feeding(exchange.ws_url) as feed,
    ):
        await asyncio.sleep(20.0)  # 33 minutes
        assert handshakes(exchange) <= 6  # a thousand a day before, so 23
    record = SentRecord(tmp_path / "r")
    made = np.concatenate([record.of("btcusdt@aggTrade"), record.of("btcusdt@bookTicker")])
    made = made[made["faults"] == 0]
    assert len(made) >= 25
    assert sum(made["copies"] == 0) == 0
    assert sum(feed.frames.values()) >= len(made) - 1


async def test_a_stuck_stream_is_named_subscribed_again_and_reported_while_others_go_on(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The quotes of one symbol stop for 4 s; limits are a tenth of the real ones."""
    monkeypatch.setattr(stream_watch, "STUCK_S", 1.0)
    monkeypatch.setattr(market_connection, "LOOK_EVERY_S", 0.1)
    async with (
        exchange_with(source=synthetic(7, 2, ticks_per_s=300)) as exchange,
        feeding(exchange.ws_url, ("BTCUSDT", "ETHUSDT")) as feed,
    ):
        await until(lambda: len(feed.frames) == 6 and min(feed.frames.values()) > 100)
        exchange.faults.inject(Fault("silence", 4.0, symbols=("ETHUSDT",), streams=("bookTicker",)))
        await until(lambda: bool(feed.outages))
        (streams, from_ms, until_ms, reason), *more = feed.outages
        assert (streams, reason, more) == (("ethusdt@bookTicker",), "stuck stream", [])
        assert 3500 < until_ms - from_ms < 6000
        assert 2 <= handshakes(exchange) <= 3
        assert exchange.clients.closed["flood"] == 0
    assert "a stream is silent far beyond its usual gap" in "".join(capsys.readouterr())
