"""Memory of the worker with 40 symbols at 1 Hz for an hour: its maximum and its growth.

Quick: a quarter of an hour of exchange time in three minutes.
"""

import asyncio
import time

import numpy as np
import psutil
from numpy.typing import NDArray

from app.clock import wall_ms
from app.kafka import topics
from benchmarks import topic_io
from benchmarks.bench import Bench
from benchmarks.processes import Processes
from benchmarks.ticks import START, Market, body, payload

PARTITIONS, SYMBOLS = 8, 40
TRADES, QUOTES = 10, 20
MAX_LAG_S = 10  # the worker may lag so far behind what is sent


def run(bench: Bench) -> None:
    """Measure one worker."""
    with bench.kafka() as kafka:
        asyncio.run(_measure(bench, kafka))


async def _measure(bench: Bench, kafka: str) -> None:
    rate, seconds = bench.amount(1.0, 5.0), int(bench.amount(3600, 900))
    with Processes(bench.folder, kafka, partitions=PARTITIONS) as processes:
        worker = await asyncio.to_thread(processes.start_worker)
        ready_mib = worker.memory_info().rss / 2**20
        bench.say(f"{seconds} s of exchange time at {rate:g} s/s, {ready_mib:.0f} MiB at the start")
        measured = await _feed(bench, processes, worker, seconds, rate)
        predicted = await topic_io.count(processes.settings, topics.PREDICTIONS)
    at_s, mib, own = measured.T
    late = at_s > 0.4 * at_s[-1]  # the rings of 300 s are full: the trend is the worker's own
    slope = 3600.0 * float(np.polyfit(at_s[late], own[late], 1)[0])
    each = f"{SYMBOLS // PARTITIONS} symbols × {TRADES + QUOTES} ticks"
    baseline = f"{ready_mib:.0f} MiB when ready, {predicted} batches of {each}"
    bench.record("worker RSS with TensorFlow, most", float(mib.max()), "MiB", target=900.0, baseline=baseline)
    trend = f"{own[late][0]:.0f} → {own[-1]:.0f} MiB without mapped files, in {at_s[late][-1] - at_s[late][0]:.0f} s"
    bench.record("growth per hour of exchange time, after the first 40 %", slope, "MiB", target=10.0, baseline=trend)


async def _feed(
    bench: Bench, processes: Processes, worker: psutil.Process, seconds: int, rate: float
) -> NDArray[np.float64]:
    """Send the batches of each second in time; return one row per 10 s of exchange time.

    Its columns are exchange seconds, resident MiB, and resident MiB without mapped files (shared libraries), of which
    the kernel keeps as many as it likes.
    """
    markets = [Market(SYMBOLS // PARTITIONS, TRADES, QUOTES, seed) for seed in range(PARTITIONS)]
    rows, started_s, shown_s = [], time.monotonic(), 0.0
    async with topic_io.sending(processes.settings) as sender:
        for number in range(seconds):
            await asyncio.sleep(max(0.0, started_s + number / rate - time.monotonic()))
            for partition, market in enumerate(markets):
                value = payload(partition, START + number, wall_ms(), body(market.second(START + number)))
                await sender.enqueue(value, partition)
            if number % 10 == 9:
                while (
                    await topic_io.count(processes.settings, topics.PREDICTIONS) < (number + 1 - MAX_LAG_S) * PARTITIONS
                ):
                    started_s += 0.2  # a worker that lags would fill its rings later than the clock says
                    await asyncio.sleep(0.2)
                memory = worker.memory_info()
                rows.append((number + 1.0, memory.rss / 2**20, (memory.rss - getattr(memory, "shared", 0)) / 2**20))
            if time.monotonic() - shown_s > 60.0:
                shown_s = time.monotonic()
                bench.say(f"{number} s: {worker.memory_info().rss / 2**20:.0f} MiB")
    return np.array(rows)
