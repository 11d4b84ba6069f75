"""The collector while its machine's clock is stepped, the exchange's clock is wrong, or REST refuses."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from app.clock import steady_ms, wall_ms
from app.collector.collector import Collector
from app.emulator import Exchange, synthetic
from app.emulator.fault import Fault
from app.emulator.sent_record import SentRecord
from app.kafka import topics
from app.kafka.clients import producer
from app.kafka.reading import read_topic
from app.kafka.topics import TICKS
from app.records import TickBatch
from app.settings import Settings

PROCESS = """
import asyncio, sys, time
from pathlib import Path
true_time, step = time.time, Path(sys.argv[1])
from app import logs
from app.collector import collector
from app.settings import settings
time.time = lambda: true_time() + float(step.read_text())
logs.set_up(settings(), "collector")
asyncio.run(collector.run(settings()))
"""
SYMBOLS = ("BTCUSDT", "ETHUSDT")
STEPS_S = (3600.0, -3600.0, 300.0, -300.0, 7200.0, 0.0)
CLOSE_TO_END_MS = 60  # a second may be closed by a later trade, as far as clocks agree


class Written(NamedTuple):
    """A batch and when the broker got it."""

    at_ms: int
    batch: TickBatch


@asynccontextmanager
async def serving(folder: Path, *faults: Fault) -> AsyncIterator[Exchange]:
    """Serve two symbols in real time, with a record of everything sent."""
    market = synthetic(7, SYMBOLS, ticks_per_s=60)
    async with Exchange(market, scenario=faults, record=folder / "record") as exchange:
        yield exchange


def settings_for(exchange: Exchange, kafka: str, prefix: str) -> Settings:
    """Return the settings of a collector of this test alone."""
    return Settings(
        kafka_url=kafka, topic_prefix=prefix, app_id=prefix, symbols=SYMBOLS,
        exchange_ws_url=exchange.ws_url, exchange_rest_url=exchange.rest_url,
    )  # fmt: skip


async def written(settings: Settings) -> list[Written]:
    """Return every batch in the topic."""
    return [
        Written(message.timestamp, msgspec.json.decode(message.value, type=TickBatch))
        async for message in read_topic(settings, TICKS)
    ]


async def until_written(settings: Settings, second: float, timeout_s: float = 40.0) -> None:
    """Wait until both partitions hold a second of this time or later."""
    async with asyncio.timeout(timeout_s):
        while True:
            newest = {one.batch.partition: one.batch.second for one in await written(settings)}
            if len(newest) == len(SYMBOLS) and min(newest.values()) >= second:
                return
            await asyncio.sleep(0.3)


def assert_every_second_and_trade_once(found: list[Written], folder: Path) -> None:
    """No second is early, missing or doubled, and no trade between the first and the last one."""
    record = SentRecord(folder / "record")
    for symbol in SYMBOLS:
        own = [one for one in found if symbol in one.batch.symbols]
        seconds = [one.batch.second for one in own]
        assert seconds == list(range(seconds[0], seconds[0] + len(seconds)))
        early_ms = max((one.batch.second + 1) * 1000 - one.at_ms for one in own)
        assert early_ms <= CLOSE_TO_END_MS
        ids = [trade_id for one in own for trade_id in one.batch.symbols[symbol].trades.id]
        assert ids
        verdict = record.verdict(
            f"{symbol.lower()}@aggTrade", ids, start_us=(seconds[0] + 1) * 10**6, end_us=seconds[-1] * 10**6
        )
        assert (verdict.missing, verdict.doubled, verdict.unknown) == ([], [], [])


@contextmanager
def stepped_process(settings: Settings, folder: Path) -> Iterator[Path]:
    """Run a collector in a process whose wall clock is off by the seconds in the file yielded."""
    step = folder / "step"
    step.write_text("0")
    with (folder / "log").open("wb") as log:
        environment = {**os.environ, **settings.environment()}
        process = subprocess.Popen([sys.executable, "-c", PROCESS, str(step)], stderr=log, env=environment)
    try:
        yield step
        assert process.poll() is None, (folder / "log").read_text()
    finally:
        process.kill()
        process.wait()


def set_step(file: Path, seconds: float) -> None:
    """Step the clock; the file is never half written."""
    (file.parent / "next").write_text(str(seconds))
    (file.parent / "next").replace(file)


async def test_steps_of_the_machines_clock_close_no_second_early_and_lose_none(
    kafka: str, prefix: str, tmp_path: Path
) -> None:
    """An hour ahead, an hour back, five minutes ahead and back, two hours ahead: three seconds each."""
    async with serving(tmp_path) as exchange:
        settings = settings_for(exchange, kafka, prefix)
        with stepped_process(settings, tmp_path) as step:
            await until_written(settings, 0)
            for seconds in STEPS_S:
                set_step(step, seconds)
                await asyncio.sleep(3)
            await until_written(settings, steady_ms() / 1000)
        stamps_ms = [one.batch.closed_ms - one.at_ms for one in await written(settings)]
    found = await written(settings)
    assert_every_second_and_trade_once(found, tmp_path)
    assert max(stamps_ms) > 7_000_000  # the process did see the steps
    assert min(stamps_ms) < -3_000_000


async def test_the_broker_takes_seconds_of_a_writer_whose_clock_is_two_hours_ahead(kafka: str, prefix: str) -> None:
    """By default Kafka refuses what is stamped an hour ahead; the topic's time is the broker's."""
    settings = Settings(kafka_url=kafka, topic_prefix=prefix, app_id=prefix)
    await topics.ensure(settings, (TICKS,))
    sender = producer(settings)
    await sender.start()
    try:
        ahead_ms = int(wall_ms()) + 7_200_000
        await sender.send_and_wait(TICKS.full_name(settings), b"{}", partition=0, timestamp_ms=ahead_ms)
    finally:
        await sender.stop()
    (message,) = [message async for message in read_topic(settings, TICKS)]
    assert message.timestamp < ahead_ms - 7_000_000


FAULTS = {
    "REST is an hour ahead for ever": Fault("clock", by_s=3600.0, targets=("rest",)),
    "REST is an hour behind for ever": Fault("clock", by_s=-3600.0, targets=("rest",)),
    "REST is five minutes ahead at first": Fault("clock", 1.5, by_s=300.0, targets=("rest",)),
    "REST refuses with 418": Fault("ban", 600.0),
    "REST never answers": Fault("black_hole", endpoints=("rest",)),
    "a symbol's trades are an hour ahead": Fault("clock", symbols=("ETHUSDT",), by_s=3600.0, targets=("events",)),
}


@pytest.mark.parametrize("name", FAULTS)
async def test_whatever_rest_says_the_first_batch_comes_in_three_seconds_and_none_is_early(
    kafka: str, prefix: str, tmp_path: Path, name: str
) -> None:
    """Each fault from before the first frame on; time that the group takes to assign partitions does not count."""
    async with serving(tmp_path, FAULTS[name]) as exchange:
        settings = settings_for(exchange, kafka, prefix)
        collector = Collector(settings)
        task = asyncio.create_task(collector.run())
        try:
            await asyncio.wait_for(collector._market.first_frame.wait(), 20.0)
            framed_ms = steady_ms()
            await asyncio.wait_for(collector._market.ready.wait(), 3.0)
            ready_ms = steady_ms()
            while collector.progress["partitions"] < len(SYMBOLS):
                await asyncio.sleep(0.02)
            assigned_ms = steady_ms()
            while "second" not in collector.progress:
                await asyncio.sleep(0.02)
            assert ready_ms - framed_ms < 1500
            assert steady_ms() - max(framed_ms, assigned_ms) < 3000
            await until_written(settings, framed_ms / 1000 + 6)
        finally:
            task.cancel()
            await asyncio.wait([task])
    if FAULTS[name].symbols:  # its trades cannot be believed: they are refused, and fetched over REST
        assert collector.progress["malformed"] > 0
    found = await written(settings)
    assert max((one.batch.second + 1) * 1000 - one.at_ms for one in found) <= CLOSE_TO_END_MS
    if not FAULTS[name].symbols:
        assert_every_second_and_trade_once(found, tmp_path)
