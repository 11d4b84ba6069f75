"""How many symbols one worker carries at 1 Hz. What enters: batches every second; what leaves: p99 closed → published.

Steps up until the worker falls behind. Every step is a fresh worker that first eats a minute of the past, so that
windows, pending forecasts and scores are as large as in service; then eight partitions get their batch each second.
"""

import asyncio
import gc
import time
from dataclasses import dataclass

from app.clock import wall_ms
from app.kafka import topics
from benchmarks.bench import Bench
from benchmarks.figures import percentile
from benchmarks.pipeline import House, Send, Written, drained
from benchmarks.ticks import Market, body, payload

PARTITIONS = 8
TRADES, QUOTES = 2, 3
STEPS = (1_000, 2_000, 3_500, 5_000)
LIMIT_MS = 1000.0
HOPELESS_MS = 5000.0  # it falls behind: more symbols say nothing more
SPARE_S = 3  # behind the ready worker, before the first live second


@dataclass(frozen=True)
class Step:
    """What one number of symbols cost."""

    symbols: int
    p50_ms: float
    p99_ms: float
    rss_mib: float
    cores: float  # the worker's CPU seconds per exchange second: what it costs, whoever else computes


def run(bench: Bench) -> None:
    """Step up until the worker no longer keeps up."""
    done: list[Step] = []
    with bench.kafka() as kafka:
        for symbols in STEPS if not bench.quick else (1_000, 5_000):
            done.append(asyncio.run(_step(bench, kafka, symbols)))
            if done[-1].p50_ms >= HOPELESS_MS:
                break
    for step in done:
        beside = f"p50 {step.p50_ms:.0f} ms; {step.cores:.2f} CPU s per exchange second, {step.rss_mib:.0f} MiB"
        bench.note(f"{step.symbols:,} symbols at 1 Hz, p99", step.p99_ms, "ms", baseline=beside)
    kept = max((step.symbols for step in done if step.p99_ms < LIMIT_MS), default=0)
    beside = f"steps {', '.join(f'{step:,}' for step in STEPS)}; {TRADES + QUOTES} ticks per symbol and second"
    bench.note(
        "symbols at 1 Hz on one worker, p99 < 1 s", kept, "symbols", target=5_000, bound="least", baseline=beside
    )


async def _step(bench: Bench, kafka: str, symbols: int) -> Step:
    past_s, live_s = int(bench.of(65, 15)), int(bench.of(25, 15))
    with House(bench.folder, kafka, f"c{symbols}", partitions=PARTITIONS) as house:
        await topics.ensure(house.settings)
        bench.say(f"{symbols:,} symbols: making {past_s + live_s} seconds of ticks")
        markets = [Market(symbols // PARTITIONS, TRADES, QUOTES, seed) for seed in range(PARTITIONS)]
        origin = int(time.time()) - past_s - 300
        async with house.sending() as send:
            for second in range(origin, origin + past_s):
                for partition, market in enumerate(markets):
                    await (await send(partition, payload(partition, second, wall_ms(), body(market.second(second)))))
            worker = await asyncio.to_thread(house.start_worker)
            bench.say(f"{symbols:,} symbols: the worker eats {past_s} s of the past")
            await drained(house, topics.OUTCOMES, past_s * PARTITIONS)
            live = [[body(market.second(origin + past_s + n)) for market in markets] for n in range(live_s)]
            bench.say(f"{symbols:,} symbols: live for {live_s} s")
            used_s = sum(worker.cpu_times()[:2])
            await _live(send, live, origin + past_s)
            await drained(house, topics.OUTCOMES, (past_s + live_s) * PARTITIONS, patience_s=90)
        cores = (sum(worker.cpu_times()[:2]) - used_s) / live_s
        rss_mib = worker.memory_info().rss / 2**20
        written = await house.written(topics.PREDICTIONS)
    delays = _delays(written, origin + past_s + SPARE_S, live_s * PARTITIONS)
    step = Step(symbols, percentile(delays, 50), percentile(delays, 99), rss_mib, cores)
    bench.say(f"{symbols:,} symbols: p50 {step.p50_ms:.0f}, p99 {step.p99_ms:.0f} ms, {cores:.2f} CPU s per s")
    return step


async def _live(send: Send, seconds: list[list[bytes]], origin: int) -> None:
    """Send one second's batches each second."""
    gc.collect()
    gc.disable()  # the load must not pause
    began = time.time() + 0.5
    for number, bodies in enumerate(seconds):
        await asyncio.sleep(max(0.0, began + number - time.time()))
        for partition, made in enumerate(bodies):
            await send(partition, payload(partition, origin + number, wall_ms(), made))
    gc.enable()


def _delays(written: list[Written], first: int, wanted: int) -> list[float]:
    """Return closed → appended of the live seconds, ms; what never came counts as a minute."""
    live = [one.at_ms - one.closed_ms for one in written if one.second >= first]
    return live + [60_000.0] * max(0, wanted - SPARE_S * PARTITIONS - len(live))
