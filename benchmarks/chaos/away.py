"""Days away: a collector starts on a tail that is hours old, and fills what it missed beside the live feed.

Stated are the time until it is live, the live lag and the memory meanwhile, and what became of every id.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import httpx
import msgspec
import numpy as np
import psutil
from aiokafka import AIOKafkaConsumer

from app.emulator.sent_record import SentRecord
from app.emulator.synthetic import SyntheticMarket, synthetic
from app.kafka.clients import producer
from app.kafka.reading import UNREADABLE, assigned, topic_partitions
from app.kafka.topics import BACKFILL, GAPS, TICKS, by_partition, ensure
from app.records import TickBatch, Ticks
from app.service import ports
from benchmarks.chaos.absence import AwayResult, SeenTrades, count_ids, open_ids
from benchmarks.chaos.rig import MARKET_SEED
from benchmarks.processes import Processes

PARTITIONS, POLL_MS, LOOK_EVERY_S = 8, 500, 1.0
EMPTY_FOR_S = 5.0  # partitions open their gaps one after the other
SEARCH_MS = 3_600_000  # of the past, for the newest trade before the absence
Say = Callable[[str], None]


class Away(msgspec.Struct, frozen=True, kw_only=True):
    """The absence to measure."""

    hours: float
    symbols: int
    ticks_per_s: float  # trades and quotes of each symbol
    limit_s: float  # wall time in which the ledger must become empty


def last_ids(market: SyntheticMarket, before_ms: int) -> dict[str, int]:
    """Return the newest trade id of each symbol before a time; an hour is searched."""
    found: dict[str, int] = {}
    for symbol in market.symbols:
        for trades in market.past_trades(symbol, before_ms - SEARCH_MS, before_ms, backward=True):
            if len(trades):
                found[symbol] = int(trades.ids[-1])
                break
    return found


async def run(away: Away, kafka: str, folder: Path, commit: str, say: Say) -> AwayResult:
    """Measure an absence and return the result."""
    market = synthetic(MARKET_SEED, away.symbols, ticks_per_s=away.ticks_per_s)
    left_s = int(time.time() - 3600 * away.hours)
    say(f"{away.symbols} symbols, {away.hours:g} h away: looking for the last trades before")
    tail = await asyncio.to_thread(last_ids, market, 1000 * left_s)
    port = ports.free_port()
    rest = f"http://127.0.0.1:{port}"
    with Processes(
        folder, kafka, f"away{port}", symbols=tuple(tail), partitions=PARTITIONS, exchange_rest_url=rest,
        exchange_ws_url=rest.replace("http", "ws"), log_format="ecs", metrics_port=ports.free_port(),
    ) as processes:  # fmt: skip
        await ensure(processes.settings)
        await _write_tail(processes, tail, left_s)
        processes.start(
            "exchange", "exchange", "--synthetic", str(MARKET_SEED), "--symbols", str(away.symbols), "--ticks-per-s",
            str(away.ticks_per_s), "--port", str(port), "--record", str(folder / "record"),
        )  # fmt: skip
        await _until_it_answers(rest)
        async with _seeing(processes) as seen:
            collector = processes.start("collector", "collect")
            rss_mb = await _watch(away, seen, tail, collector, say)
            await asyncio.to_thread(processes.stop, "collector")
            await asyncio.sleep(2.0)
    return _result(away, seen, tail, SentRecord(folder / "record"), rss_mb, commit)


async def _write_tail(processes: Processes, tail: dict[str, int], second: int) -> None:
    settings, sender = processes.settings, producer(processes.settings)
    await sender.start()
    try:
        for partition, symbols in by_partition(settings.symbols, PARTITIONS).items():
            batch = TickBatch(
                partition=partition, second=second, closed_ms=1000.0 * (second + 1), generation=1,
                symbols={symbol: Ticks(last_id=tail[symbol]) for symbol in symbols},
            )  # fmt: skip
            await sender.send_and_wait(TICKS.full_name(settings), msgspec.json.encode(batch), partition=partition)
    finally:
        await sender.stop()


async def _until_it_answers(rest: str) -> None:
    async with asyncio.timeout(90), httpx.AsyncClient(timeout=5.0, trust_env=False) as client:
        while True:
            with suppress(httpx.HTTPError):
                await client.get(f"{rest}/api/v3/ping")
                return
            await asyncio.sleep(0.3)


@asynccontextmanager
async def _seeing(processes: Processes) -> AsyncIterator[SeenTrades]:
    settings, seen = processes.settings, SeenTrades()
    names = {spec.full_name(settings): spec.name for spec in (TICKS, BACKFILL, GAPS)}
    async with assigned(settings, topic_partitions(settings, TICKS, BACKFILL, GAPS)) as consumer:
        task = asyncio.create_task(_read(consumer, names, seen), name="seen trades")
        try:
            yield seen
        finally:
            task.cancel()
            await asyncio.wait([task])


async def _read(consumer: AIOKafkaConsumer, names: dict[str, str], seen: SeenTrades) -> None:
    while True:
        for messages in (await consumer.getmany(timeout_ms=POLL_MS)).values():
            for message in messages:
                with suppress(*UNREADABLE):
                    seen.add(names[message.topic], message)
            await asyncio.sleep(0)


async def _watch(
    away: Away, seen: SeenTrades, tail: dict[str, int], collector: psutil.Process, say: Say
) -> list[tuple[float, float]]:
    """Watch until the ledger was filled and is empty, or the limit; return wall ms and memory, MiB."""
    rss_mb, said_s, deadline_s = list[tuple[float, float]](), 0.0, time.monotonic() + away.limit_s
    partitions, settled_s = len(by_partition(tuple(tail), PARTITIONS)), time.monotonic()
    while time.monotonic() < deadline_s and collector.is_running():
        await asyncio.sleep(LOOK_EVERY_S)
        with suppress(psutil.Error):
            rss_mb.append((time.time() * 1000, collector.memory_info().rss / 2**20))
        still_open = await asyncio.to_thread(open_ids, list(seen.gaps))
        if time.monotonic() - said_s > 10.0:
            said_s = time.monotonic()
            memory, lag_s = rss_mb[-1][1] if rss_mb else 0.0, max(seen.lags_s[-100:], default=0.0)
            say(f"{still_open:,} ids open, {memory:.0f} MiB, lag {lag_s:.2f} s, {len(seen.live_ms)} partitions live")
        if still_open or not seen.gaps or len(seen.live_ms) < partitions:
            settled_s = time.monotonic()
        if time.monotonic() - settled_s > EMPTY_FOR_S:
            break
    return rss_mb


def _result(
    away: Away, seen: SeenTrades, tail: dict[str, int], record: SentRecord, rss_mb: list[tuple[float, float]],
    commit: str,
) -> AwayResult:  # fmt: skip
    frames = record.messages[record.messages["copies"] > 0]["at_us"]
    first_ms = int(frames.min()) / 1000 if len(frames) else time.time() * 1000
    is_live = len(seen.live_ms) == len(by_partition(tuple(tail), PARTITIONS))
    total = AwayResult(
        hours=away.hours, symbols=away.symbols, commit=commit, measured=datetime.now(UTC).strftime("%Y-%m-%d %H:%M"),
        live_after_s=round((max(seen.live_ms.values()) - first_ms) / 1000, 2) if is_live else None,
        empty_after_s=_empty_after_s(seen, first_ms), ids=0, delivered=0, lost=0, open=0, unnamed=0, doubled=0,
        lag_p99_s=round(float(np.percentile(seen.lags_s, 99)), 3) if seen.lags_s else 0.0,
        lag_most_s=round(max(seen.lags_s, default=0.0), 3), rss_most_mb=round(max((mb for _, mb in rss_mb), default=0)),
        rss_mb=[round(mb) for _, mb in rss_mb[:: max(1, len(rss_mb) // 10)]],
    )  # fmt: skip
    count_ids(total, seen, tail, record)
    return total


def _empty_after_s(seen: SeenTrades, first_ms: float) -> float | None:
    if not seen.gaps or open_ids(seen.gaps):
        return None
    return round((seen.gaps[-1].appended_ms - first_ms) / 1000, 1)
