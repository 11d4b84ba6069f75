"""The archiver on the real broker: a full disk, topics created again, messages deleted too early, a backlog."""

import asyncio
import subprocess
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from app.api import examples
from app.archive import writer
from app.archive.archiver import TOPICS
from app.kafka import topics
from app.kafka.clients import client_options, producer
from app.records import Gap, TickBatch
from app.settings import Settings
from tests.live.archiving import (
    PARTITIONS,
    T0,
    archived,
    archiving,
    covered,
    query_rows,
    send,
    ticks_of,
    until,
)


@pytest.fixture
def settings(kafka: str, prefix: str, tmp_path: Path) -> Settings:
    """Return settings of a source of its own."""
    return Settings(kafka_url=kafka, topic_prefix=prefix, partitions=PARTITIONS, data_dir=tmp_path, archive_flush_s=0.2)


@pytest.fixture(autouse=True)
def _eager(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "COMPACT_EVERY_S", 0.0)
    monkeypatch.setattr(writer, "LONGEST_WAIT_S", 0.5)


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
    async with archiving(settings) as archiver:
        await send(settings, batches)
        await until(lambda: archiver.progress["stalled"] == 1.0)
        assert not unfinished(small_disk)
        ballast.unlink()
        await until(lambda: archived(settings) == 60)
        await until(lambda: archiver.progress["stalled"] == 0.0)  # said after the file has its name
    assert set(covered(settings).values()) == {1}
    assert query_rows(settings, "select count(*), count(distinct (symbol, id)) from trades")[0][0] == 60 * 2 * 300


@asynccontextmanager
async def administered(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(**client_options(settings))
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


async def recreate(settings: Settings) -> None:
    """Delete the ticks topic and create it again."""
    name = topics.TICKS.full_name(settings)
    async with administered(settings) as admin:
        await admin.delete_topics([name])
        async with asyncio.timeout(20):
            while name in await admin.list_topics():
                await asyncio.sleep(0.1)
    await topics.ensure(settings, TOPICS)


@pytest.mark.parametrize("count", [5, 40])
async def test_a_topic_created_again_is_archived_from_its_beginning(settings: Settings, count: int) -> None:
    """Whether it is still shorter or already longer than what is archived: a new epoch, nothing skipped."""
    await topics.ensure(settings, TOPICS)
    for epoch, size in enumerate((20, count)):
        batches = [("ticks", 0, msgspec.json.encode(ticks_of(0, T0 + 100 * epoch + n))) for n in range(size)]
        await send(settings, batches)
        wanted = archived(settings) + size
        async with archiving(settings):
            await until(lambda: archived(settings) == wanted)  # noqa: B023
        if not epoch:
            await recreate(settings)
    assert Counter(epoch for _topic, _partition, epoch, _offset in covered(settings)) == {0: 20, 1: count}
    assert query_rows(settings, "select count(distinct second) from ticks") == [(20 + count,)]


async def test_messages_that_left_kafka_too_early_are_a_counted_gap(settings: Settings) -> None:
    """The archiver logs and counts what is missing and continues."""
    await topics.ensure(settings, TOPICS)
    partition = TopicPartition(topics.TICKS.full_name(settings), 0)

    async def some(start: int) -> None:
        await send(settings, [("ticks", 0, msgspec.json.encode(ticks_of(0, T0 + start + n))) for n in range(10)])

    await some(0)
    async with archiving(settings):
        await until(lambda: archived(settings) == 10)
    await some(10)
    async with administered(settings) as admin:
        await admin.delete_records({partition: RecordsToDelete(before_offset=15)})
    async with archiving(settings) as archiver:
        await until(lambda: archived(settings) == 15)
        assert archiver.progress["gaps"] == 1.0
    assert {offset for *_partition, offset in covered(settings)} == {*range(10), *range(15, 20)}


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
    assert query_rows(settings, "select count(*) from trades") == [(trades,)]
    assert stored_bytes(settings) < json_bytes / 2


async def send_gap(settings: Settings, gap: Gap) -> None:
    """Write one record of a gap; a compacted topic refuses it without its key."""
    async with producer(settings) as out:
        topic = topics.GAPS.full_name(settings)
        await out.send_and_wait(topic, msgspec.json.encode(gap), key=gap.id.encode(), partition=0)


async def test_backfill_and_gaps_are_archived_through_a_restart(settings: Settings) -> None:
    """Pieces of two far hours in turn are few files; after a restart the next piece follows, and trades stay unique."""
    await topics.ensure(settings, TOPICS)
    live = msgspec.json.encode(ticks_of(0, T0))
    pieces = [msgspec.json.encode(ticks_of(0, T0 - back)) for back in (90_000, 7200, 89_999, 7199, 90_000)]
    gap = examples.gaps()[-1]
    await send(settings, [("ticks", 0, live), *(("backfill", 0, piece) for piece in (*pieces, live))])
    await send_gap(settings, gap)
    async with archiving(settings):
        await until(lambda: archived(settings) == 8)
    closed = msgspec.structs.replace(gap, state="lost", closed_ms=gap.opened_ms + 1)
    await send(settings, [("backfill", 0, pieces[0])])
    await send_gap(settings, closed)
    async with archiving(settings):
        await until(lambda: archived(settings) == 10)
    assert set(covered(settings).values()) == {1}
    counted = "select backfilled, count(*), count(distinct (symbol, id)) from trades group by 1 order by 1"
    assert query_rows(settings, counted) == [(False, 6, 6), (True, 24, 24)]
    assert query_rows(settings, "select state, count from gaps") == [("lost", 5)]
