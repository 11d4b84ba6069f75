"""Recovery time of a killed worker: from kill −9 to the first prediction of its successor.

The successor is started at once; TensorFlow's import, measured by itself, is subtracted. Then the same with an emptied
RocksDB volume, and the counts of the run: nothing lost, nothing settled twice.
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
from app.up.topic_statistics import read_statistics
from benchmarks import topic_io
from benchmarks.bench import Bench
from benchmarks.processes import Processes
from benchmarks.ticks import START, Market, body, payload

PARTITIONS, SYMBOLS = 8, 40
BACKLOG_S = 330  # the longest ring is full
IMPORT = """
import gc, time
gc.disable()  # as the worker does
started_s = time.perf_counter()
import app.domain.model
app.domain.model.tensorflow()
print(time.perf_counter() - started_s)
"""


def run(bench: Bench) -> None:
    """Measure kills with and without the volume."""
    import_s = statistics.median(_import_s() for _ in range(3))
    bench.say(f"TensorFlow is imported in {import_s:.1f} s")
    with bench.kafka() as kafka:
        asyncio.run(_measure(bench, kafka, import_s))


def _import_s() -> float:
    return float(subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True, check=True).stdout)


async def _measure(bench: Bench, kafka: str, import_s: float) -> None:
    with Processes(bench.folder, kafka, partitions=PARTITIONS) as processes:
        await topics.ensure(processes.settings)
        feed = _Feed()
        async with topic_io.sending(processes.settings) as sender:
            for _ in range(BACKLOG_S):
                await feed.send_second(sender)
            bench.say(f"the worker processes a backlog of {BACKLOG_S} s")
            await asyncio.to_thread(processes.start_worker)
            await topic_io.drain(processes.settings, topics.OUTCOMES, BACKLOG_S * PARTITIONS)
            feeding = asyncio.create_task(feed.run(sender))
            await asyncio.sleep(5)
            kept = [await _kill(bench, processes, feed, empty=False) for _ in range(int(bench.amount(3, 1)))]
            emptied = [await _kill(bench, processes, feed, empty=True) for _ in range(int(bench.amount(3, 1)))]
            feeding.cancel()
        await topic_io.drain(processes.settings, topics.OUTCOMES, feed.sent, patience_s=60)
        counts = (await read_statistics(processes.settings)).seconds()
    _record(bench, import_s, kept, emptied, counts)


class _Feed:
    """Seconds of a market, one after the other, ten in each second of wall time."""

    def __init__(self) -> None:
        self._markets = [Market(SYMBOLS // PARTITIONS, 2, 3, seed) for seed in range(PARTITIONS)]
        self._second, self.sent = START, 0

    async def send_second(self, sender: topic_io.Sender) -> None:
        """Send one second to every partition."""
        for partition, market in enumerate(self._markets):
            value = payload(partition, self._second, wall_ms(), body(market.second(self._second)))
            await sender.enqueue(value, partition)
            self.sent += 1
        self._second += 1

    async def run(self, sender: topic_io.Sender) -> None:
        """Send second after second until cancelled."""
        while True:
            await self.send_second(sender)
            await asyncio.sleep(0.1)


async def _kill(bench: Bench, processes: Processes, feed: _Feed, *, empty: bool) -> float:
    """Kill the worker, start the next, return the seconds until the broker has its first prediction."""
    killed_ms = wall_ms()
    processes.kill("worker")
    if empty:
        shutil.rmtree(processes.settings.data_dir / "rocksdb")
    before = await topic_io.count(processes.settings, topics.PREDICTIONS)
    processes.start("worker")
    while await topic_io.count(processes.settings, topics.PREDICTIONS) <= before:
        await asyncio.sleep(0.05)
    first_ms = (await topic_io.appended(processes.settings, topics.PREDICTIONS))[before].appended_ms
    took = (first_ms - killed_ms) / 1000.0
    bench.say(f"killed{' and emptied' * empty}: predicting again after {took:.1f} s")
    started_s = time.monotonic()
    while (
        time.monotonic() - started_s < 60
        and await topic_io.count(processes.settings, topics.OUTCOMES) < feed.sent - 2 * PARTITIONS
    ):
        await asyncio.sleep(0.2)
    return took


def _record(bench: Bench, import_s: float, kept: list[float], emptied: list[float], counts: dict[str, Any]) -> None:
    whole, empty = statistics.median(kept), statistics.median(emptied)
    bench.record("killed −9 → predicting, less TensorFlow's import", whole - import_s, "s", target=3.0,
               baseline=f"{whole:.1f} s in all, {import_s:.1f} s of it the import; median of {len(kept)}")  # fmt: skip
    bench.record("the same with an emptied RocksDB volume", empty - import_s, "s", target=5.0,
               baseline=f"{empty:.1f} s in all; {empty - whole:+.1f} s for the rebuilding")  # fmt: skip
    bench.record("seconds lost in all kills", float(counts["lost"]), "seconds", target=0.0,
               baseline=f"{counts['collected']} seconds sent, {counts['predicted']} predicted")  # fmt: skip
    bench.record("forecasts settled twice", float(counts["settled_twice"]), "forecasts", target=0.0)
