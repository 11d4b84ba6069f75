"""Capacity of one worker: the number of symbols at 1 Hz for which p99 from close to published stays below a second.

Steps up until the worker falls behind. Every step is a fresh worker that first processes a backlog of a minute, so that
windows, pending forecasts and scores are as large as in service; then eight partitions get their batch each second.
"""

import asyncio
import gc
import time
from dataclasses import dataclass

from app.clock import wall_ms
from app.kafka import topics
from benchmarks import topic_io
from benchmarks.bench import Bench
from benchmarks.figures import percentile
from benchmarks.processes import Processes
from benchmarks.ticks import Market, body, payload
from benchmarks.topic_io import AppendedBatch, Sender

PARTITIONS = 8
TRADES, QUOTES = 2, 3
STEPS = (1_000, 2_000, 3_500, 5_000)
LIMIT_MS = 1000.0
OVERLOADED_MS = 5000.0  # it falls behind: more symbols measure nothing more
WARM_UP_S = 3  # live seconds that are not counted


@dataclass(frozen=True)
class Step:
    """The figures of one number of symbols."""

    symbols: int
    p50_ms: float
    p99_ms: float
    rss_mib: float
    cores: float  # CPU seconds of the worker per exchange second: independent of other load


def run(bench: Bench) -> None:
    """Step up until the worker no longer keeps up."""
    done: list[Step] = []
    with bench.kafka() as kafka:
        for symbols in STEPS if not bench.quick else (1_000, 5_000):
            done.append(asyncio.run(_step(bench, kafka, symbols)))
            if done[-1].p50_ms >= OVERLOADED_MS:
                break
    for step in done:
        baseline = f"p50 {step.p50_ms:.0f} ms; {step.cores:.2f} CPU s per exchange second, {step.rss_mib:.0f} MiB"
        bench.record(f"{step.symbols:,} symbols at 1 Hz, p99", step.p99_ms, "ms", baseline=baseline)
    kept = max((step.symbols for step in done if step.p99_ms < LIMIT_MS), default=0)
    baseline = f"steps {', '.join(f'{step:,}' for step in STEPS)}; {TRADES + QUOTES} ticks per symbol and second"
    bench.record(
        "symbols at 1 Hz on one worker, p99 < 1 s", kept, "symbols", target=5_000, bound="least", baseline=baseline
    )


async def _step(bench: Bench, kafka: str, symbols: int) -> Step:
    backlog_s, live_s = int(bench.amount(65, 15)), int(bench.amount(25, 15))
    with Processes(bench.folder, kafka, f"c{symbols}", partitions=PARTITIONS) as processes:
        await topics.ensure(processes.settings)
        bench.say(f"{symbols:,} symbols: making {backlog_s + live_s} seconds of ticks")
        markets = [Market(symbols // PARTITIONS, TRADES, QUOTES, seed) for seed in range(PARTITIONS)]
        origin = int(time.time()) - backlog_s - 300
        async with topic_io.sending(processes.settings) as sender:
            for second in range(origin, origin + backlog_s):
                for partition, market in enumerate(markets):
                    value = payload(partition, second, wall_ms(), body(market.second(second)))
                    await (await sender.enqueue(value, partition))
            worker = await asyncio.to_thread(processes.start_worker)
            bench.say(f"{symbols:,} symbols: the worker processes a backlog of {backlog_s} s")
            await topic_io.drain(processes.settings, topics.OUTCOMES, backlog_s * PARTITIONS)
            live = [[body(market.second(origin + backlog_s + n)) for market in markets] for n in range(live_s)]
            bench.say(f"{symbols:,} symbols: live for {live_s} s")
            used_s = sum(worker.cpu_times()[:2])
            await _live(sender, live, origin + backlog_s)
            await topic_io.drain(processes.settings, topics.OUTCOMES, (backlog_s + live_s) * PARTITIONS, patience_s=90)
        cores = (sum(worker.cpu_times()[:2]) - used_s) / live_s
        rss_mib = worker.memory_info().rss / 2**20
        published = await topic_io.appended(processes.settings, topics.PREDICTIONS)
    delays = _delays(published, origin + backlog_s + WARM_UP_S, live_s * PARTITIONS)
    step = Step(symbols, percentile(delays, 50), percentile(delays, 99), rss_mib, cores)
    bench.say(f"{symbols:,} symbols: p50 {step.p50_ms:.0f}, p99 {step.p99_ms:.0f} ms, {cores:.2f} CPU s per s")
    return step


async def _live(sender: Sender, seconds: list[list[bytes]], origin: int) -> None:
    """Send one second's batches each second."""
    gc.collect()
    gc.disable()  # the load must not pause
    started_s = time.time() + 0.5
    for number, bodies in enumerate(seconds):
        await asyncio.sleep(max(0.0, started_s + number - time.time()))
        for partition, made in enumerate(bodies):
            await sender.enqueue(payload(partition, origin + number, wall_ms(), made), partition)
    gc.enable()


def _delays(published: list[AppendedBatch], first: int, wanted: int) -> list[float]:
    """Return close → appended of the live seconds, ms; a batch that never came counts as a minute."""
    live = [one.appended_ms - one.closed_ms for one in published if one.second >= first]
    return live + [60_000.0] * max(0, wanted - WARM_UP_S * PARTITIONS - len(live))
