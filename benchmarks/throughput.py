"""Throughput of one worker on ticks that wait in Kafka, compared with plain Faust and Quix Streams.

The worker does windows, features, all models and the settlement; each result is acknowledged before the next. The
peers do less: plain Faust updates one table entry per tick, Quix Streams keeps a one-second tumbling window, and in a
third row computes windows, features and models from the same batches by our own functions. All read the same ticks
from the same broker, and every rate counts from the first result to the last, without the start.
"""

import asyncio
import re
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from app.kafka import topics
from app.kafka.clients import producer
from app.settings import Settings
from benchmarks import topic_io
from benchmarks.bench import HOME, ROOT, Bench, SkippedError, running
from benchmarks.processes import NotReadyError, Processes, until
from benchmarks.ticks import START, Market, body, one_by_one, payload

PARTITIONS = 8
TRADES, QUOTES = 10, 20
QUIX = "quixstreams==3.28.1"
PEERS = Path(__file__).parent / "peers"
VENV = HOME.parent / "bench-venv"


def run(bench: Bench) -> None:
    """Measure the worker and both peers on one broker."""
    with bench.kafka() as kafka:
        batches = int(bench.amount(1600, 240))
        ours = asyncio.run(_worker(bench, kafka, batches, symbols=100))
        small = asyncio.run(_worker(bench, kafka, batches, symbols=12))
        bench.record("worker, batches of 100 symbols × 30 ticks", ours, "ticks/s",
                   baseline=f"{batches} batches over {PARTITIONS} partitions")  # fmt: skip
        bench.record("worker, batches of 12 symbols × 30 ticks", small, "ticks/s",
                   baseline=f"a hundred symbols over {PARTITIONS} partitions")  # fmt: skip
        try:
            same = asyncio.run(_same_work(bench, kafka, batches))
            bench.record("worker ÷ Quix Streams with our functions, no settlement", ours / same, "×",
                       baseline=f"Quix Streams {same:,.0f} ticks/s of the same {batches} batches")  # fmt: skip
        except (SkippedError, NotReadyError) as reason:
            bench.say(f"Quix Streams with our functions skipped: {reason}")
        for name, least, count in (("Quix Streams", 8.0, 300_000), ("plain Faust", 80.0, 30_000)):
            count = int(bench.amount(count, count / 5))
            try:
                theirs = asyncio.run(_peer(bench, kafka, name, count))
            except (SkippedError, NotReadyError) as reason:
                bench.say(f"{name} skipped: {reason}")
                continue
            bench.record(f"worker ÷ {name}", ours / theirs, "×", target=least, bound="least",
                       baseline=f"{name} {theirs:,.0f} ticks/s of {count:,} ticks")  # fmt: skip


async def _worker(bench: Bench, kafka: str, batches: int, symbols: int) -> float:
    """Return ticks/s of the worker over batches that wait in Kafka."""
    with Processes(bench.folder, kafka, f"ours{symbols}", partitions=PARTITIONS) as processes:
        await topics.ensure(processes.settings)
        bench.say(f"filling {batches} batches of {symbols} symbols × {TRADES + QUOTES} ticks")
        await _fill(processes.settings, batches, symbols)
        bench.say("the worker starts and runs")
        await asyncio.to_thread(processes.start_worker)
        await topic_io.drain(processes.settings, topics.PREDICTIONS, batches)
        predicted = await topic_io.appended(processes.settings, topics.PREDICTIONS)
    if len(predicted) < batches:
        raise SkippedError(f"{len(predicted)} of {batches} batches predicted: {processes.tail('worker')}")
    return _rate(predicted, symbols)


def _rate(predicted: Sequence[topic_io.AppendedBatch], symbols: int) -> float:
    """Return ticks/s from the first result to the last."""
    ticks = (len(predicted) - 1) * symbols * (TRADES + QUOTES)
    return ticks / ((predicted[-1].appended_ms - predicted[0].appended_ms) / 1000.0)


async def _same_work(bench: Bench, kafka: str, batches: int) -> float:
    """Return ticks/s of Quix Streams that does the worker's work on the same batches, without the settlement."""
    python = await asyncio.to_thread(_quix, bench)
    settings = Settings(kafka_url=kafka, topic_prefix="same", partitions=PARTITIONS)
    await topics.ensure(settings)
    await _fill(settings, batches, symbols=100)
    folder = bench.folder / "same"
    folder.mkdir()
    ours = [str(ROOT), sysconfig.get_path("purelib")]
    bench.say("Quix Streams runs with our functions")
    script, log = PEERS / "quix_same_work.py", folder / "log"
    with running([python, str(script), kafka, "same", str(folder), *ours], log, cwd=folder):
        await topic_io.drain(settings, topics.PREDICTIONS, batches)
        predicted = await topic_io.appended(settings, topics.PREDICTIONS)
    if len(predicted) < batches:
        raise SkippedError(f"{len(predicted)} of {batches} batches predicted: {log.read_text()[-1500:]}")
    return _rate(predicted, symbols=100)


async def _fill(settings: Settings, batches: int, symbols: int) -> None:
    markets = [Market(symbols, TRADES, QUOTES, seed) for seed in range(PARTITIONS)]
    async with topic_io.sending(settings) as sender:
        for number in range(batches // PARTITIONS):
            second = START + number
            for partition, market in enumerate(markets):
                value = payload(partition, second, 1000.0 * (second + 1), body(market.second(second)))
                sent = await sender.enqueue(value, partition)
        await sent


async def _peer(bench: Bench, kafka: str, name: str, count: int) -> float:
    """Return ticks/s of a peer, which its process prints in its last line."""
    topic = name.replace(" ", "-").lower()
    python = await asyncio.to_thread(_quix, bench) if name == "Quix Streams" else sys.executable
    bench.say(f"{name}: filling {count} ticks, one message each")
    await _fill_one_by_one(kafka, topic, count)
    script, folder = PEERS / f"{topic.replace('-', '_')}.py", bench.folder / topic
    folder.mkdir()
    log = folder / "log"
    command = [python, str(script), kafka, topic, str(count), str(folder)]
    bench.say(f"{name} runs")
    with running(command, log, cwd=folder):
        line = await asyncio.to_thread(until, lambda: _printed_rate(log), f"{name} to finish; its log: {log}", 300.0)
    return float(line)


def _printed_rate(log: Path) -> str:
    """Return the rate in a log, "" before it is there; Faust puts a time before what is printed."""
    found = re.search(r'\{"ticks_per_s": ([0-9.e+]+)\}', log.read_text(errors="replace"))
    return found[1] if found else ""


async def _fill_one_by_one(kafka: str, topic: str, count: int) -> None:
    settings = Settings(kafka_url=kafka, topic_prefix=topic, partitions=PARTITIONS)
    spec = topics.TopicSpec("ticks", topics.TICKS.record, topics.DAY_MS)
    await topics.ensure(settings, (spec,))
    sender = producer(settings, linger_ms=20, max_batch_size=2**18, enable_idempotence=False, acks=1)
    await sender.start()
    market, sent, second = Market(100, TRADES, QUOTES), 0, START
    try:
        while sent < count:
            for key, tick in islice(one_by_one(market.second(second)), count - sent):
                home = topics.partition_of(key.decode(), PARTITIONS)
                await sender.send(spec.full_name(settings), tick, key=key, partition=home)
                sent += 1
            second += 1
    finally:
        await sender.stop()


def _quix(bench: Bench) -> str:
    """Return the Python of an environment that has Quix Streams; made on first use, kept in `.btc/bench-venv`."""
    python = VENV / "bin" / "python"
    probe = [str(python), "-c", "import quixstreams"]
    if python.exists() and subprocess.run(probe, capture_output=True, check=False).returncode == 0:
        return str(python)
    bench.say(f"installing {QUIX} into {VENV} (once)")
    for command in ([sys.executable, "-m", "venv", str(VENV)], [str(python), "-m", "pip", "install", "-q", QUIX]):
        made = subprocess.run(command, capture_output=True, text=True, check=False)
        if made.returncode:
            raise SkippedError(f"{QUIX} cannot be installed: {made.stderr.strip()[-200:]}")
    return str(python)
