"""The archiver is killed at random moments."""

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.kafka import topics
from app.settings import Settings
from tests.live.archiving import (
    PARTITIONS,
    archived,
    covered,
    footers,
    query_rows,
    seconds,
    send,
    until,
)

PROGRAM = """
from app.service import lifecycle
from app.archive import archiver, writer
from app.settings import settings
writer.COMPACT_EVERY_S = 0.0
archiver.BATCHED_FETCH.clear()  # many small fetches, so that a kill falls between two of them
raise SystemExit(lifecycle.run("archive", settings(), archiver.run))
"""


@pytest.fixture
def settings(kafka: str, prefix: str, tmp_path: Path) -> Settings:
    """Return settings of a source of its own."""
    return Settings(kafka_url=kafka, topic_prefix=prefix, partitions=PARTITIONS, data_dir=tmp_path, archive_flush_s=0.2)


@pytest.fixture
def spawn(settings: Settings) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Return a function that starts the archiver as a process; what still runs at the end is killed."""
    started: list[subprocess.Popen[bytes]] = []
    own = settings.model_copy(update={"archive_flush_s": 0.02, "log_level": "WARNING"}).environment()

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
    assert interrupted, "no kill interrupted the archiver"
    expected = {
        (f"{settings.topic_prefix}.{name}", partition, 0, offset)
        for (name, partition), count in sent.items()
        for offset in range(count)
    }
    assert covered(settings) == Counter(expected)
    rows = query_rows(settings, "select partition, kafka_offset, count(*) from ticks_all group by all")
    assert {row[2] for row in rows} == {2}, "each ticks message gave its two symbols, once"
    assert sum(one.messages for one in footers(settings, "*")) == total
    unreadable = sum(one.skipped for one in footers(settings, "ticks"))
    assert len(rows) + unreadable == sum(count for (name, _partition), count in sent.items() if name == "ticks")
    assert query_rows(settings, "select count(distinct second) from trades") == [(540,)]
    assert query_rows(settings, "select count(*), count(distinct second) from outcomes") == [(1080, 540)]
