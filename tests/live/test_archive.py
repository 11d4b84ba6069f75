"""The archive on the real broker: kill −9, full disk, topics made anew, messages that left too early."""

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from app.archive import parquet, query, segments, writer
from app.archive.archiver import TOPICS, Archive
from app.kafka import topics
from app.kafka.clients import client_options, producer
from app.records import Batch, FeatureBatch, OutcomeBatch, PredictionBatch, Quotes, Settlement, TickBatch, Ticks, Trades
from app.settings import Settings

T0 = 1_700_000_000 // 3600 * 3600
PARTITIONS = 2
PROGRAM = """
from app.service import lifecycle
from app.archive import archiver as archive
from app.archive import writer
from app.settings import settings
writer.TIDY_EVERY_S = 0.0
archive.AT_LEISURE.clear()  # many small portions, so that a kill falls between two of them
raise SystemExit(lifecycle.run("archive", settings(), archive.run))
"""


@pytest.fixture
def settings(kafka: str, prefix: str, tmp_path: Path) -> Settings:
    """Return settings of a source of its own."""
    return Settings(kafka_url=kafka, topic_prefix=prefix, partitions=PARTITIONS, data_dir=tmp_path, archive_flush_s=0.2)


@pytest.fixture(autouse=True)
def _eager(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "TIDY_EVERY_S", 0.0)
    monkeypatch.setattr(writer, "LONGEST_WAIT_S", 0.5)


def ticks_of(partition: int, second: int, trades: int = 3) -> TickBatch:
    noise = random.Random(f"{partition} {second}")
    each = Trades(
        id=list(range(second * 100, second * 100 + trades)),
        time_ms=[second * 1000 + n for n in range(trades)],
        price=[noise.gauss(60_000, 10) for _ in range(trades)],
        quantity=[noise.random() for _ in range(trades)],
        buyer_maker=[noise.random() < 0.5 for _ in range(trades)],
    )
    quotes = Quotes(time_ms=[second * 1000], bid=[1.0], bid_size=[1.0], ask=[2.0], ask_size=[1.0])
    symbols = {f"S{n}": Ticks(trades=each, quotes=quotes) for n in range(2)}
    return TickBatch(partition=partition, second=second, closed_ms=1.0, symbols=symbols)


def walk(partition: int, second: int) -> dict[str, Batch]:
    place: dict[str, Any] = {"partition": partition, "second": second, "closed_ms": 1.0}
    late = place | {"sent_ms": 2.0}
    settled = Settlement(horizon_s=5, origin=second - 5, symbols=["S0"], realised=[0.1])
    return {
        "ticks": ticks_of(partition, second),
        "features": FeatureBatch(
            **late, feature_schema="f", symbols=["S0"], bars={"close": [1.0]}, features={}, flags=[[]]
        ),
        "predictions": PredictionBatch(
            **late, symbols=["S0"], mid=[1.0], priced=[True], volatility=[0.1], flags=[[]], horizons_s=[5],
            levels=[0.5], champion="", forecasts=[],
        ),
        "outcomes": OutcomeBatch(**late, settled=[settled], scores=[]),
    }  # fmt: skip


async def send(settings: Settings, payloads: list[tuple[str, int, bytes]]) -> None:
    """Write payloads to topics and partitions, in order."""
    async with producer(settings, linger_ms=5) as out:
        for name, partition, payload in payloads:
            await out.send(f"{settings.topic_prefix}.{name}", payload, partition=partition)
        await out.flush()


def seconds(start: int, count: int, step_s: int) -> list[tuple[str, int, bytes]]:
    """Return the whole walk of `count` seconds, and one message in 23 that nobody can read."""
    found: list[tuple[str, int, bytes]] = []
    for number in range(start, start + count):
        for partition in range(PARTITIONS):
            for name, batch in walk(partition, T0 + number * step_s).items():
                found.append((name, partition, msgspec.json.encode(batch)))
                if len(found) % 23 == 0:
                    found.append((name, partition, b"hostile"))
    return found


def covered(settings: Settings) -> Counter[tuple[str, int, int, int]]:
    """Return how often each (topic, partition, epoch, offset) is in the ledger."""
    root = segments.folder(settings)
    return Counter(
        (one.topic, one.partition, one.epoch, offset)
        for spec in TOPICS
        for one in segments.segments(root, spec.full_name(settings))
        for offset in range(one.first, one.last + 1)
    )


def archived(settings: Settings) -> int:
    """Return how many messages the ledger says are archived."""
    return sum(covered(settings).values())


def notes(settings: Settings, name: str) -> list[parquet.SegmentNote]:
    """Return the notes of a topic's files."""
    root = segments.folder(settings)
    return [parquet.note_of(path) for path in root.glob(f"{settings.topic_prefix}.{name}/**/*.parquet")]


def asked(settings: Settings, sql: str) -> list[tuple[object, ...]]:
    return [tuple(row.values()) for row in query.query(settings, sql).to_pylist()]


@asynccontextmanager
async def archiving(settings: Settings) -> AsyncIterator[Archive]:
    """Archive in this process for as long as the block lasts."""
    archive = Archive(settings)
    task = asyncio.create_task(archive.run())
    try:
        yield archive
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(what: Callable[[], bool], patience_s: float = 20.0) -> None:
    async with asyncio.timeout(patience_s):
        while not what():
            await asyncio.sleep(0.05)


# ── kill −9 ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def spawn(settings: Settings) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Return a way to start the archive as a process of its own; what still runs at the end is killed."""
    started: list[subprocess.Popen[bytes]] = []
    own = {
        "BTC_KAFKA_URL": settings.kafka_url,
        "BTC_TOPIC_PREFIX": settings.topic_prefix,
        "BTC_PARTITIONS": str(PARTITIONS),
        "BTC_DATA_DIR": str(settings.data_dir),
        "BTC_ARCHIVE_FLUSH_S": "0.02",
        "BTC_LOG_LEVEL": "WARNING",
    }

    def start() -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen([sys.executable, "-c", PROGRAM], env=os.environ | own))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.mark.slow
async def test_every_message_is_in_exactly_one_file_after_many_kills(
    settings: Settings, spawn: Callable[[], subprocess.Popen[bytes]]
) -> None:
    """Killed at random moments while hours of exchange time stream by, the archive loses and repeats nothing."""
    await topics.ensure(settings)
    chance, sent, interrupted = random.Random(7), Counter[tuple[str, int]](), 0
    for round_ in range(9):
        payloads = seconds(round_ * 60, 60, step_s=30)
        sent.update((name, partition) for name, partition, _payload in payloads)
        process, before = spawn(), archived(settings)
        await send(settings, payloads)
        await until(lambda: archived(settings) > before)  # noqa: B023
        if round_ < 8:
            await asyncio.sleep(chance.uniform(0, 0.2))
            process.kill()
            process.wait()
            interrupted += archived(settings) < sum(sent.values())
    total = sum(sent.values())
    await until(lambda: archived(settings) >= total)
    process.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(process.wait, 20) == 0
    assert interrupted, "no kill fell into the work"
    expected = {
        (f"{settings.topic_prefix}.{name}", partition, 0, offset)
        for (name, partition), count in sent.items()
        for offset in range(count)
    }
    assert covered(settings) == Counter(expected)
    rows = asked(settings, "select partition, kafka_offset, count(*) from ticks_all group by all")
    assert {row[2] for row in rows} == {2}, "each ticks message gave its two symbols, once"
    assert sum(note.messages for note in notes(settings, "*")) == total
    unreadable = sum(note.skipped for note in notes(settings, "ticks"))
    assert len(rows) + unreadable == sum(count for (name, _partition), count in sent.items() if name == "ticks")
    assert asked(settings, "select count(distinct second) from trades") == [(540,)]
    assert asked(settings, "select count(*), count(distinct second) from outcomes") == [(1080, 540)]


# ── the disk ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a file system of one MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], check=False, capture_output=True, text=True
    )
    if made.returncode:
        pytest.skip(f"needs the right to mount a tmpfs: {made.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def unfinished(folder: Path) -> list[Path]:
    return list(folder.rglob("*.part"))


async def test_a_full_disk_stops_reading_and_loses_nothing(settings: Settings, small_disk: Path) -> None:
    """While the disk is full the archive waits, visibly; with space again every message is there once."""
    settings = settings.model_copy(update={"data_dir": small_disk})
    await topics.ensure(settings, TOPICS)
    ballast = small_disk / "ballast"
    await asyncio.to_thread(ballast.write_bytes, b"0" * 900_000)
    batches = [("ticks", 0, msgspec.json.encode(ticks_of(0, T0 + n, trades=300))) for n in range(60)]
    async with archiving(settings) as archive:
        await send(settings, batches)
        await until(lambda: archive.progress["stalled"] == 1.0)
        assert not unfinished(small_disk)
        ballast.unlink()
        await until(lambda: archived(settings) == 60)
        assert archive.progress["stalled"] == 0.0
    assert set(covered(settings).values()) == {1}
    assert asked(settings, "select count(*), count(distinct (symbol, id)) from trades")[0][0] == 60 * 2 * 300


# ── topics ────────────────────────────────────────────────────────────────────────────────────────────────────


@asynccontextmanager
async def administered(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(**client_options(settings))
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


async def again(settings: Settings) -> None:
    """Delete the ticks topic and make it anew."""
    name = topics.TICKS.full_name(settings)
    async with administered(settings) as admin:
        await admin.delete_topics([name])
        async with asyncio.timeout(20):
            while name in await admin.list_topics():
                await asyncio.sleep(0.1)
    await topics.ensure(settings, TOPICS)


@pytest.mark.parametrize("count", [5, 40])
async def test_a_topic_made_anew_is_archived_from_its_beginning(settings: Settings, count: int) -> None:
    """Whether it is still shorter or already longer than what is archived: a new epoch, nothing skipped."""
    await topics.ensure(settings, TOPICS)
    for epoch, size in enumerate((20, count)):
        batches = [("ticks", 0, msgspec.json.encode(ticks_of(0, T0 + 100 * epoch + n))) for n in range(size)]
        await send(settings, batches)
        wanted = archived(settings) + size
        async with archiving(settings):
            await until(lambda: archived(settings) == wanted)  # noqa: B023
        if not epoch:
            await again(settings)
    assert Counter(epoch for _topic, _partition, epoch, _offset in covered(settings)) == {0: 20, 1: count}
    assert asked(settings, "select count(distinct second) from ticks") == [(20 + count,)]


async def test_messages_that_left_kafka_too_early_are_a_counted_gap(settings: Settings) -> None:
    """The archive says what is missing and goes on."""
    await topics.ensure(settings, TOPICS)
    place = TopicPartition(topics.TICKS.full_name(settings), 0)

    async def some(start: int) -> None:
        await send(settings, [("ticks", 0, msgspec.json.encode(ticks_of(0, T0 + start + n))) for n in range(10)])

    await some(0)
    async with archiving(settings):
        await until(lambda: archived(settings) == 10)
    await some(10)
    async with administered(settings) as admin:
        await admin.delete_records({place: RecordsToDelete(before_offset=15)})
    async with archiving(settings) as archive:
        await until(lambda: archived(settings) == 15)
        assert archive.progress["gaps"] == 1.0
    assert {offset for *_place, offset in covered(settings)} == {*range(10), *range(15, 20)}


def stored_bytes(settings: Settings) -> int:
    return sum(path.stat().st_size for path in settings.data_dir.rglob("*.parquet"))


def crowded(second: int, symbols: int, trades: int) -> TickBatch:
    """Return a second of many symbols, each with trades of its own."""
    each = {f"S{n}": ticks_of(n, second, trades).symbols["S0"] for n in range(symbols)}
    return TickBatch(partition=0, second=second, closed_ms=1.0, symbols=each)


@pytest.mark.slow
async def test_a_backlog_is_archived_many_times_faster_than_it_arrives(settings: Settings) -> None:
    """Ten minutes of thirty symbols at thirty trades a second are on disk within one, and smaller than their JSON."""
    await topics.ensure(settings, TOPICS)
    batches = [msgspec.json.encode(crowded(T0 + n, symbols=30, trades=30)) for n in range(600)]
    await send(settings, [("ticks", 0, batch) for batch in batches])
    began = time.monotonic()
    async with archiving(settings):
        await until(lambda: archived(settings) == 600, 60.0)
    took_s, json_bytes, trades = time.monotonic() - began, sum(map(len, batches)), 600 * 30 * 30
    print(f"{trades / took_s:,.0f} trades/s to disk, JSON ÷ Parquet {json_bytes / stored_bytes(settings):.1f}")
    assert asked(settings, "select count(*) from trades") == [(trades,)]
    assert stored_bytes(settings) < json_bytes / 2
