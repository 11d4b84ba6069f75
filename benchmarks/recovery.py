"""A worker that is killed. What enters: batches in flow, kill −9; what leaves: how long until it predicts again.

From the kill to the first prediction the broker has of its successor, which is started at once; TensorFlow's import,
measured by itself, is taken off. Then the same with an emptied RocksDB volume, and the run's own books: nothing lost,
nothing settled twice.
"""

import asyncio
import shutil
import statistics
import subprocess
import sys
import time
from typing import Any

from app.clock import wall_ms
from app.kafka import topics
from app.up.run_record import read_run
from benchmarks.bench import Bench
from benchmarks.pipeline import House, Send, drained
from benchmarks.ticks import START, Market, body, payload

PARTITIONS, SYMBOLS = 8, 40
PAST_S = 330  # the longest ring is full
IMPORT = """
import gc, time
gc.disable()  # as the worker does
began = time.perf_counter()
import app.domain.model
app.domain.model.tensorflow()
print(time.perf_counter() - began)
"""


def run(bench: Bench) -> None:
    """Measure kills with and without the volume."""
    import_s = statistics.median(_imported() for _ in range(3))
    bench.say(f"TensorFlow is imported in {import_s:.1f} s")
    with bench.kafka() as kafka:
        asyncio.run(_measure(bench, kafka, import_s))


def _imported() -> float:
    return float(subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True, check=True).stdout)


async def _measure(bench: Bench, kafka: str, import_s: float) -> None:
    with House(bench.folder, kafka, partitions=PARTITIONS) as house:
        await topics.ensure(house.settings)
        flow = _Flow(house)
        async with house.sending() as send:
            for _ in range(PAST_S):
                await flow.second(send)
            bench.say(f"the worker eats {PAST_S} s of the past")
            await asyncio.to_thread(house.start_worker)
            await drained(house, topics.OUTCOMES, PAST_S * PARTITIONS)
            going = asyncio.create_task(flow.go(send))
            await asyncio.sleep(5)
            kept = [await _killed(bench, house, flow, empty=False) for _ in range(int(bench.of(3, 1)))]
            emptied = [await _killed(bench, house, flow, empty=True) for _ in range(int(bench.of(3, 1)))]
            going.cancel()
        await drained(house, topics.OUTCOMES, flow.sent, patience_s=60)
        books = (await read_run(house.settings)).seconds()
    _note(bench, import_s, kept, emptied, books)


class _Flow:
    """Seconds of a market, one after the other, ten in each second of wall time."""

    def __init__(self, house: House) -> None:
        self._markets = [Market(SYMBOLS // PARTITIONS, 2, 3, seed) for seed in range(PARTITIONS)]
        self._second, self.sent = START, 0

    async def second(self, send: Send) -> None:
        """Send one second to every partition."""
        for partition, market in enumerate(self._markets):
            value = payload(partition, self._second, wall_ms(), body(market.second(self._second)))
            await send(partition, value)
            self.sent += 1
        self._second += 1

    async def go(self, send: Send) -> None:
        """Go on until cancelled."""
        while True:
            await self.second(send)
            await asyncio.sleep(0.1)


async def _killed(bench: Bench, house: House, flow: _Flow, *, empty: bool) -> float:
    """Kill the worker, start the next, return the seconds until the broker has its first prediction."""
    killed_ms = wall_ms()
    house.kill("worker")
    if empty:
        shutil.rmtree(house.settings.data_dir / "rocksdb")
    before = await house.count(topics.PREDICTIONS)
    house.start("worker")
    while await house.count(topics.PREDICTIONS) <= before:
        await asyncio.sleep(0.05)
    first_ms = (await house.written(topics.PREDICTIONS))[before].at_ms
    took = (first_ms - killed_ms) / 1000.0
    bench.say(f"killed{' and emptied' * empty}: predicting again after {took:.1f} s")
    began = time.monotonic()
    while time.monotonic() - began < 60 and await house.count(topics.OUTCOMES) < flow.sent - 2 * PARTITIONS:
        await asyncio.sleep(0.2)
    return took


def _note(bench: Bench, import_s: float, kept: list[float], emptied: list[float], books: dict[str, Any]) -> None:
    whole, empty = statistics.median(kept), statistics.median(emptied)
    bench.note("killed −9 → predicting, less TensorFlow's import", whole - import_s, "s", target=3.0,
               baseline=f"{whole:.1f} s in all, {import_s:.1f} s of it the import; median of {len(kept)}")  # fmt: skip
    bench.note("the same with an emptied RocksDB volume", empty - import_s, "s", target=5.0,
               baseline=f"{empty:.1f} s in all; {empty - whole:+.1f} s for the rebuilding")  # fmt: skip
    bench.note("seconds lost in all kills", float(books["lost"]), "seconds", target=0.0,
               baseline=f"{books['collected']} seconds sent, {books['predicted']} predicted")  # fmt: skip
    bench.note("forecasts settled twice", float(books["settled_twice"]), "forecasts", target=0.0)
