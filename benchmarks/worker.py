"""Cost of one worker: CPU per batch, and how fast it works off a backlog.

Twenty batches a second, one partition: everything the process does is in the figure, Faust, consumer and models too.
"""

import asyncio
import time

import psutil

from app.clock import wall_ms
from app.kafka import topics
from benchmarks import topic_io
from benchmarks.bench import Bench
from benchmarks.processes import Processes
from benchmarks.ticks import START, Market, body, payload
from benchmarks.topic_io import Sender

RATE, WARM_UP = 20.0, 330  # batches a second; batches that fill the longest ring first
TRADES, QUOTES = 10, 20


def run(bench: Bench) -> None:
    """Measure one symbol, then a hundred, then a backlog of one symbol."""
    with bench.kafka() as kafka:
        for symbols, target_ms in ((1, 8.0), (100, 12.0)):
            asyncio.run(_cpu(bench, kafka, symbols, target_ms))
        asyncio.run(_backlog(bench, kafka, int(bench.amount(3600, 900))))


async def _cpu(bench: Bench, kafka: str, symbols: int, target_ms: float) -> None:
    count, market = int(bench.amount(1200, 300)), Market(symbols, TRADES, QUOTES)
    with Processes(bench.folder, kafka, f"cpu{symbols}", partitions=1) as processes:
        await topics.ensure(processes.settings)
        worker = await asyncio.to_thread(processes.start_worker)
        async with topic_io.sending(processes.settings) as sender:
            await _send(sender, market, START, WARM_UP, 3 * RATE)
            await topic_io.drain(processes.settings, topics.OUTCOMES, WARM_UP)
            used_s = _cpu_s(worker)
            await _send(sender, market, START + WARM_UP, count, RATE)
            used_s = _cpu_s(worker) - used_s
    bench.record(f"CPU of a worker per batch, {symbols} symbol{'s' * (symbols > 1)} × {TRADES + QUOTES} ticks",
                 1e3 * used_s / count, "ms", target=target_ms,
                 baseline=f"{count} batches at {RATE:g} a second")  # fmt: skip


async def _send(sender: Sender, market: Market, first: int, count: int, rate: float) -> None:
    began_s = time.monotonic()
    for number in range(count):
        value = payload(0, first + number, wall_ms(), body(market.second(first + number)))
        await (await sender.enqueue(value, 0))
        await asyncio.sleep(max(0.0, began_s + (number + 1) / rate - time.monotonic()))


def _cpu_s(worker: psutil.Process) -> float:
    return float(sum(worker.cpu_times()[:2]))


async def _backlog(bench: Bench, kafka: str, seconds: int) -> None:
    market = Market(1, TRADES, QUOTES)
    with Processes(bench.folder, kafka, "backlog", partitions=1) as processes:
        await topics.ensure(processes.settings)
        async with topic_io.sending(processes.settings) as sender:
            for number in range(seconds):
                sent = await sender.enqueue(payload(0, START + number, wall_ms(), body(market.second(number))), 0)
            await sent
        await asyncio.to_thread(processes.start_worker)
        await topic_io.drain(processes.settings, topics.OUTCOMES, seconds)
        outcomes = await topic_io.appended(processes.settings, topics.OUTCOMES)
        predictions = await topic_io.appended(processes.settings, topics.PREDICTIONS)
    first_ms = min(predictions[0].appended_ms, outcomes[0].appended_ms)
    rate = (seconds - 1) / ((outcomes[-1].appended_ms - first_ms) / 1e3)
    assert [one.second for one in predictions] == list(range(START, START + seconds)), "in order, none lost"
    bench.record("a backlog of one symbol is settled at", rate, "s/s", target=100.0, bound="least",
                 baseline=f"{seconds} seconds that wait in Kafka")  # fmt: skip
