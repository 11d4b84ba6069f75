"""A long absence of many symbols: live lag and memory while it is backfilled; the ledger is empty at the end.

BTC_TEST_SYMBOLS and BTC_TEST_AWAY_H make it larger: 300 and 48 are the whole. The figures are printed (`-s`).
"""

import asyncio
import os
import time
from pathlib import Path

import msgspec
import pytest

from app.clock import wall_ms
from app.collector.gaps_log import newest
from app.collector.ticks_log import TicksLog
from app.emulator import Exchange, synthetic
from app.kafka import topics
from app.kafka.reading import read_topic
from app.kafka.topics import BACKFILL, GAPS, TICKS
from app.records import Gap, TickBatch, Ticks
from app.settings import Settings
from tests.exchange import exchange_with
from tests.live.test_collector import replicas, until
from tests.live.test_gap_ledger import id_at

SYMBOLS, AWAY_H = int(os.environ.get("BTC_TEST_SYMBOLS", "4")), float(os.environ.get("BTC_TEST_AWAY_H", "0.5"))
MOST_MIB, MOST_LAG_MS = 512, 1000.0
NAMES = tuple(f"S{number:03}USDT" for number in range(SYMBOLS))


async def was_away(settings: Settings, exchange: Exchange) -> None:
    """Write one batch per partition as a collector of long ago would have."""
    await topics.ensure(settings, (TICKS, GAPS, BACKFILL))
    second, batches = int(wall_ms() / 1000 - AWAY_H * 3600), list[TickBatch]()
    for partition, names in topics.by_partition(NAMES, settings.partitions).items():
        ticks = {name: Ticks(last_id=await id_at(exchange, second * 1000, name)) for name in names}
        batches.append(TickBatch(partition=partition, second=second, closed_ms=0.0, generation=1, symbols=ticks))
    async with TicksLog(settings) as log:
        await log.write(batches)


async def open_ids(settings: Settings) -> dict[str, int]:
    """Return how many ids of each symbol's gaps of trades are open."""
    found = newest([msgspec.json.decode(message.value, type=Gap) async for message in read_topic(settings, GAPS)])
    ids = dict[str, int]()
    for gap in (gap for gap in found if gap.stream == "trades"):
        left = sum(last - first + 1 for first, last in gap.ids) if gap.state == "open" else 0
        ids[gap.symbol] = ids.get(gap.symbol, 0) + left
    return ids


async def lags_ms(settings: Settings) -> list[float]:
    """Return how long after their end the live seconds were sent, without the first of each partition."""
    lags, seen = list[float](), set[int]()
    async for message in read_topic(settings, TICKS):
        batch = msgspec.json.decode(message.value, type=TickBatch)
        if batch.generation > 1 and batch.symbols and not batch.late:
            lags += [message.timestamp - (batch.second + 1) * 1000.0] if batch.partition in seen else []
            seen.add(batch.partition)
    return sorted(lags)


def peak_mib(pid: int) -> float:
    """Return the most memory a process has held, resident."""
    line = next(one for one in Path(f"/proc/{pid}/status").read_text().splitlines() if one.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


@pytest.mark.slow
async def test_a_long_absence_is_backfilled_with_bounded_memory_while_seconds_are_in_time(
    kafka: str, prefix: str, tmp_path: Path
) -> None:
    """Every trade of it, beside the live path."""
    async with exchange_with(source=synthetic(7, symbols=NAMES, ticks_per_s=2)) as exchange:
        settings = Settings(
            kafka_url=kafka, topic_prefix=prefix, app_id=prefix, symbols=NAMES,
            exchange_ws_url=exchange.ws_url, exchange_rest_url=exchange.rest_url,
        )  # fmt: skip
        await was_away(settings, exchange)
        with replicas(settings, tmp_path) as start:
            replica, started_s = start("a"), time.monotonic()

            async def is_filled() -> bool:
                await asyncio.sleep(1.0)
                ids = await open_ids(settings)
                return len(ids) == len(NAMES) and not any(ids.values())

            await until(is_filled, 60.0 + 120.0 * SYMBOLS * AWAY_H)
            took_s, mib = time.monotonic() - started_s, peak_mib(replica.process.pid)
        lags = await lags_ms(settings)
    p50, p99 = lags[len(lags) // 2], lags[len(lags) * 99 // 100]
    print(f"{SYMBOLS} symbols, {AWAY_H} h: backfilled in {took_s:.0f} s, peak {mib:.0f} MiB")
    print(f"lag of {len(lags)} live batches: p50 {p50:.0f} ms, p99 {p99:.0f} ms, most {lags[-1]:.0f} ms")
    assert mib < MOST_MIB
    assert p99 < MOST_LAG_MS
