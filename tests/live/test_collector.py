"""The collector between an emulated exchange and the embedded Kafka: every second, every trade, exactly once."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import msgspec
import pytest

from app.broker.broker import Broker
from app.clock import wall_ms
from app.collector.collector import Collector
from app.collector.ticks_log import tail_of
from app.emulator import Exchange, replay
from app.emulator.fault_injection import Fault
from app.kafka.reading import read_topic
from app.kafka.topics import TICKS
from app.metrics import TICKS_RECONNECTS
from app.records import TickBatch
from app.settings import Settings
from tests.collector.interleavings import as_read

RECORDING = "binance-ws/spot-btcusdt-20230405.dat.gz"
PROCESS = """
import asyncio
from app import logs
from app.collector import collector
from app.settings import settings
logs.set_up(settings(), "collector")
asyncio.run(collector.run(settings()))
"""
SPEED = 20.0
FIRST_SECOND, LAST_SECOND = 1680652799, 1680653213  # of the recording
IDS = list(range(3071245454, 3071245454 + 3144))


@pytest.fixture
async def exchange(recordings: Path) -> AsyncIterator[Exchange]:
    """Serve the recorded seven minutes of BTCUSDT at twenty times their speed."""
    async with Exchange(replay([recordings / RECORDING]), speed=SPEED) as running:
        yield running


@pytest.fixture
def settings(kafka: str, prefix: str, exchange: Exchange) -> Settings:
    """Return the settings of a collector of this test alone."""
    return Settings(
        kafka_url=kafka, topic_prefix=prefix, app_id=prefix, speed=SPEED,
        exchange_ws_url=exchange.ws_url, exchange_rest_url=exchange.rest_url,
    )  # fmt: skip


async def batches(settings: Settings) -> list[TickBatch]:
    """Return every batch that a reader accepts, in order: neither fences nor what came after one of a former owner."""
    return as_read([msgspec.json.decode(one.value, type=TickBatch) async for one in read_topic(settings, TICKS)])


def assert_complete(kept: list[TickBatch], expected: list[int] = IDS) -> None:
    """Every second and every trade is there, exactly once."""
    seconds = [batch.second for batch in kept]
    assert seconds == list(range(seconds[0], seconds[-1] + 1))
    ids = [trade_id for batch in kept for trade_id in batch.symbols["BTCUSDT"].trades.id]
    assert sorted(ids) == expected


async def until(true: Callable[[], bool | Awaitable[bool]], timeout_s: float = 45.0) -> None:
    """Wait for something to become true."""
    async with asyncio.timeout(timeout_s):
        while not (await answer if isinstance(answer := true(), Awaitable) else answer):
            await asyncio.sleep(0.1)


@asynccontextmanager
async def collecting(settings: Settings) -> AsyncIterator[Collector]:
    """Run a collector in this process."""
    collector = Collector(settings)
    task = asyncio.create_task(collector.run())
    try:
        yield collector
    finally:
        task.cancel()
        await asyncio.wait([task])
    assert task.cancelled()


class Replica:
    """A collector in a process of its own."""

    def __init__(self, settings: Settings, instance: str, log: Path) -> None:
        self.log = log
        with log.open("wb") as lines:
            self.process = subprocess.Popen(
                [sys.executable, "-c", PROCESS],
                stderr=lines,
                env={**os.environ, **settings.environment(), "BTC_INSTANCE": instance},
            )

    @property
    def fills(self) -> bool:
        """Whether it has taken over the one partition with a symbol."""
        return "fills a partition" in self.log.read_text()


@contextmanager
def replicas(settings: Settings, folder: Path) -> Iterator[Callable[[str], Replica]]:
    """Start replicas, and end them all."""
    started: list[Replica] = []

    def start(instance: str) -> Replica:
        started.append(Replica(settings, instance, folder / f"{instance}-{len(started)}.log"))
        return started[-1]

    try:
        yield start
    finally:
        for replica in started:
            replica.process.kill()
            replica.process.wait()


def is_written(settings: Settings) -> Callable[[int], Callable[[], Awaitable[bool]]]:
    """Return a function of a second: a condition for `until`, true once that second is written."""

    def at_least(second: int) -> Callable[[], Awaitable[bool]]:
        async def check() -> bool:
            await asyncio.sleep(0.4)
            tail = tail_of(await batches(settings))
            return tail is not None and tail.second >= second

        return check

    return at_least


async def test_every_trade_of_the_recording_arrives_exactly_once_and_no_second_is_missing(
    settings: Settings,
) -> None:
    """Seven recorded minutes, replayed at speed 20."""
    async with collecting(settings) as collector:
        await until(lambda: collector.progress.get("second", 0) >= LAST_SECOND + 1)
    kept = await batches(settings)
    assert kept[0].second == FIRST_SECOND  # the first trade is older than the first frame
    assert_complete(kept)
    assert sum(len(batch.symbols["BTCUSDT"].quotes.bid) for batch in kept) == 8015
    assert collector.progress["completeness"] == 1.0


async def test_a_replica_takes_over_from_one_that_is_killed_without_losing_or_doubling_anything(
    settings: Settings, tmp_path: Path
) -> None:
    """Two replicas; kill −9 ends the one that fills the partition."""
    written = is_written(settings)
    with replicas(settings, tmp_path) as start:
        first = start("a")
        await until(lambda: first.fills)
        second = start("b")
        await until(written(FIRST_SECOND + 80))
        owner, other = (first, second) if not second.fills else (second, first)
        at = other.log.stat().st_size
        owner.process.kill()
        await until(lambda: "fills a partition" in other.log.read_text()[at:])
        await until(written(LAST_SECOND + 1))
    kept = await batches(settings)
    assert_complete(kept)
    assert any(batch.late for batch in kept)
    assert kept[-1].generation > kept[0].generation


async def test_a_killed_collector_that_comes_back_goes_on_without_a_gap(settings: Settings, tmp_path: Path) -> None:
    """One replica, kill −9, started again: its static membership is given back at once."""
    written = is_written(settings)
    with replicas(settings, tmp_path) as start:
        first = start("a")
        await until(lambda: first.fills)
        await until(written(FIRST_SECOND + 80))
        first.process.kill()
        killed_ms = wall_ms()
        again = start("a")
        await until(lambda: again.fills)
        assert wall_ms() - killed_ms < 8_000
        await until(written(LAST_SECOND + 1))
    kept = await batches(settings)
    assert_complete(kept)


def up_to_now(kept: list[TickBatch]) -> list[int]:
    """Return the ids from the recording's first to the last one written."""
    return list(range(IDS[0], kept[-1].symbols["BTCUSDT"].last_id + 1))


async def test_what_a_broken_a_silent_and_a_refusing_exchange_withheld_is_refilled(
    settings: Settings, exchange: Exchange
) -> None:
    """Disconnected; two wall seconds of lost events; REST refusing for as long."""
    async with collecting(settings) as collector:
        await until(lambda: collector.progress.get("second", 0) >= FIRST_SECOND + 20)
        exchange.faults.inject(Fault("disconnect"))
        await asyncio.sleep(1)
        exchange.faults.inject(Fault("silence", 2.0))
        exchange.faults.inject(Fault("too_many_requests", 2.0))
        await until(lambda: collector.progress["refilled"] > 0 and collector.progress["completeness"] == 1.0)
        await asyncio.sleep(0.5)
    kept = await batches(settings)
    assert_complete(kept, up_to_now(kept))
    assert collector.progress["skipped"] > 0
    assert sum(batch.symbols["BTCUSDT"].late for batch in kept) >= collector.progress["refilled"]
    assert collector.progress["missing"] == 0


async def test_a_silent_socket_is_replaced_after_five_seconds(
    settings: Settings, exchange: Exchange, caplog: pytest.LogCaptureFixture
) -> None:
    """The connection stands, its pings are answered, and nothing comes."""
    before = TICKS_RECONNECTS.labels("silence")._value.get()
    async with collecting(settings) as collector:
        await until(lambda: collector.progress.get("second", 0) >= FIRST_SECOND + 20)
        exchange.faults.inject(Fault("silence", 5.5))
        await until(lambda: TICKS_RECONNECTS.labels("silence")._value.get() > before)
        await until(lambda: collector.progress["refilled"] > 0 and collector.progress["completeness"] == 1.0)
        await asyncio.sleep(0.5)
    kept = await batches(settings)
    assert_complete(kept, up_to_now(kept))


async def test_a_collector_that_is_stopped_and_started_again_goes_on_where_it_ended(settings: Settings) -> None:
    """What was complete is written before it leaves; what came meanwhile is fetched."""
    async with collecting(settings) as collector:
        await until(lambda: collector.progress.get("second", 0) >= FIRST_SECOND + 30)
    before = await batches(settings)
    async with collecting(settings) as collector:
        await until(lambda: collector.progress.get("second", 0) >= before[-1].second + 60)
    kept = await batches(settings)
    assert kept[: len(before)] == before
    assert_complete(kept, up_to_now(kept))


async def test_seconds_wait_for_a_broker_that_restarts_and_none_is_lost(settings: Settings, broker: Broker) -> None:
    """Kafka gone for some seconds: everything arrives, in order."""
    async with collecting(settings) as collector:
        await until(lambda: collector.progress.get("second", 0) >= FIRST_SECOND + 20)
        await asyncio.to_thread(broker.stop)
        await asyncio.sleep(1)
        await asyncio.to_thread(broker.start)
        stopped_at = collector.progress["second"]
        await until(lambda: collector.progress["second"] >= stopped_at + 100 and collector.progress["lag_s"] < 1)
    kept = await batches(settings)
    assert_complete(kept, up_to_now(kept))


async def test_a_replica_that_shuts_down_hands_over_at_once(settings: Settings) -> None:
    """It leaves the group, so no session has to end first."""
    async with collecting(settings.model_copy(update={"instance": "z"})) as other:
        await until(lambda: other.progress.get("second", 0) >= FIRST_SECOND + 20)
        async with collecting(settings.model_copy(update={"instance": "a"})) as first:
            await until(lambda: first.progress.get("partitions") == 1)
        stopped_ms = wall_ms()
        await until(lambda: other.progress["partitions"] == 1 and other.progress["lag_s"] < 1)
        assert (other.stall_reason(), other.not_ready_reason()) == ("", "")
        assert wall_ms() - stopped_ms < 4_000
    kept = await batches(settings)
    assert_complete(kept, up_to_now(kept))


async def test_a_replica_that_was_frozen_and_comes_back_does_no_harm(settings: Settings, tmp_path: Path) -> None:
    """It sleeps longer than its session, another takes over, it wakes with batches of its own."""
    written = is_written(settings)
    with replicas(settings, tmp_path) as start:
        frozen = start("a")
        await until(lambda: frozen.fills)
        other = start("b")
        await asyncio.sleep(3)
        owner, other = (other, frozen) if other.fills else (frozen, other)
        at = other.log.stat().st_size
        owner.process.send_signal(signal.SIGSTOP)
        await until(lambda: "fills a partition" in other.log.read_text()[at:])
        owner.process.send_signal(signal.SIGCONT)
        await until(written(LAST_SECOND + 60))
    kept = await batches(settings)
    assert "this process was suspended longer than the session timeout" in owner.log.read_text()
    assert_complete(kept)
