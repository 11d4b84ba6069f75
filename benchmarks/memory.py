"""The worker's memory. What enters: 40 symbols at 1 Hz for an hour; what leaves: the most it held, and its slope.

Quick: a quarter of an hour of exchange time in three minutes.
"""

import asyncio
import time

import numpy as np
import psutil
from numpy.typing import NDArray

from app.clock import wall_ms
from app.kafka import topics
from benchmarks.bench import Bench
from benchmarks.pipeline import House
from benchmarks.ticks import START, Market, body, payload

PARTITIONS, SYMBOLS = 8, 40
TRADES, QUOTES = 10, 20
BEHIND_S = 10  # the worker may lag so far behind what it is fed


def run(bench: Bench) -> None:
    """Measure one worker."""
    with bench.kafka() as kafka:
        asyncio.run(_measure(bench, kafka))


async def _measure(bench: Bench, kafka: str) -> None:
    rate, seconds = bench.of(1.0, 5.0), int(bench.of(3600, 900))
    with House(bench.folder, kafka, partitions=PARTITIONS) as house:
        worker = await asyncio.to_thread(house.start_worker)
        begun_mib = worker.memory_info().rss / 2**20
        bench.say(f"{seconds} s of exchange time at {rate:g} s/s, {begun_mib:.0f} MiB at the start")
        held = await _fed(bench, house, worker, seconds, rate)
        predicted = await house.count(topics.PREDICTIONS)
    at_s, mib = held.T
    late = at_s > 0.4 * at_s[-1]  # the rings of 300 s are full: the trend is the worker's own
    slope = 3600.0 * float(np.polyfit(at_s[late], mib[late], 1)[0])
    each = f"{SYMBOLS // PARTITIONS} symbols × {TRADES + QUOTES} ticks"
    beside = f"{begun_mib:.0f} MiB when ready, {predicted} batches of {each}"
    bench.note("worker RSS with TensorFlow, most", float(mib.max()), "MiB", target=900.0, baseline=beside)
    trend = f"{mib[late][0]:.0f} → {mib[-1]:.0f} MiB in {at_s[late][-1] - at_s[late][0]:.0f} s"
    bench.note("growth per hour of exchange time, after the first 40 %", slope, "MiB", target=10.0, baseline=trend)


async def _fed(bench: Bench, house: House, worker: psutil.Process, seconds: int, rate: float) -> NDArray[np.float64]:
    """Send every second's batches in time; return [exchange seconds, MiB], one row per 10 s of exchange time."""
    markets = [Market(SYMBOLS // PARTITIONS, TRADES, QUOTES, seed) for seed in range(PARTITIONS)]
    held, began, told = [], time.monotonic(), 0.0
    async with house.sending() as send:
        for number in range(seconds):
            await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))
            for partition, market in enumerate(markets):
                await send(
                    partition, payload(partition, START + number, wall_ms(), body(market.second(START + number)))
                )
            if number % 10 == 9:
                while (number + 1) * PARTITIONS - await house.count(topics.PREDICTIONS) > BEHIND_S * PARTITIONS:
                    began += 0.2  # a worker that lags would fill its rings later than the clock says
                    await asyncio.sleep(0.2)
                held.append((number + 1.0, worker.memory_info().rss / 2**20))
            if time.monotonic() - told > 60.0:
                told = time.monotonic()
                bench.say(f"{number} s: {worker.memory_info().rss / 2**20:.0f} MiB")
    return np.array(held)
