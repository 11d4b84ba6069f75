"""Batches of every topic on the real broker, the archiver in this process, and what it archived."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import msgspec

from app.archive import parquet, query, segments
from app.archive.archiver import TOPICS, Archiver
from app.kafka.clients import producer
from app.records import Batch, FeatureBatch, OutcomeBatch, PredictionBatch, Quotes, Settlement, TickBatch, Ticks, Trades
from app.settings import Settings

T0 = 1_700_000_000 // 3600 * 3600
PARTITIONS = 2


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


def second_of(partition: int, second: int) -> dict[str, Batch]:
    batch: dict[str, Any] = {"partition": partition, "second": second, "closed_ms": 1.0}
    sent = batch | {"sent_ms": 2.0}
    settled = Settlement(horizon_s=5, origin=second - 5, symbols=["S0"], realised=[0.1])
    return {
        "ticks": ticks_of(partition, second),
        "features": FeatureBatch(
            **sent, feature_schema="f", symbols=["S0"], bars={"close": [1.0]}, features={}, flags=[[]]
        ),
        "predictions": PredictionBatch(
            **sent, symbols=["S0"], mid=[1.0], priced=[True], volatility=[0.1], flags=[[]], horizons_s=[5],
            levels=[0.5], champion="", forecasts=[],
        ),
        "outcomes": OutcomeBatch(**sent, settled=[settled], scores=[]),
    }  # fmt: skip


async def send(settings: Settings, payloads: list[tuple[str, int, bytes]]) -> None:
    """Write payloads to topics and partitions, in order."""
    async with producer(settings, linger_ms=5) as out:
        for name, partition, payload in payloads:
            await out.send(f"{settings.topic_prefix}.{name}", payload, partition=partition)
        await out.flush()


def seconds(start: int, count: int, step_s: int) -> list[tuple[str, int, bytes]]:
    """Return `count` seconds of every topic, and one message in 23 that cannot be read."""
    found: list[tuple[str, int, bytes]] = []
    for number in range(start, start + count):
        for partition in range(PARTITIONS):
            for name, batch in second_of(partition, T0 + number * step_s).items():
                found.append((name, partition, msgspec.json.encode(batch)))
                if len(found) % 23 == 0:
                    found.append((name, partition, b"hostile"))
    return found


def covered(settings: Settings) -> Counter[tuple[str, int, int, int]]:
    """Return how often each (topic, partition, epoch, offset) is in a file name."""
    root = segments.archive_folder(settings)
    return Counter(
        (one.topic, one.partition, one.epoch, offset)
        for spec in TOPICS
        for one in segments.segments(root, spec.full_name(settings))
        for offset in range(one.first, one.last + 1)
    )


def archived(settings: Settings) -> int:
    """Return how many messages the file names say are archived."""
    return sum(covered(settings).values())


def footers(settings: Settings, name: str) -> list[parquet.SegmentFooter]:
    """Return the footers of a topic's files."""
    root = segments.archive_folder(settings)
    return [parquet.read_footer(path) for path in root.glob(f"{settings.topic_prefix}.{name}/**/*.parquet")]


def query_rows(settings: Settings, sql: str) -> list[tuple[object, ...]]:
    return [tuple(row.values()) for row in query.query(settings, sql).to_pylist()]


@asynccontextmanager
async def archiving(settings: Settings) -> AsyncIterator[Archiver]:
    """Archive in this process while the body runs."""
    archiver = Archiver(settings)
    task = asyncio.create_task(archiver.run())
    try:
        yield archiver
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(what: Callable[[], bool], patience_s: float = 20.0) -> None:
    async with asyncio.timeout(patience_s):
        while not what():
            await asyncio.sleep(0.05)
