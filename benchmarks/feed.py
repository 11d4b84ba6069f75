"""Latency of the collector from the end of the second to the acknowledged batch, with 40 symbols of the emulator.

Counted from the end of the exchange's second to the time the broker appended the batch, so the grace for late ticks
(50 ms) is in it.
"""

import asyncio
import time

import httpx

from app.kafka import topics
from app.kafka.clients import producer
from app.service import ports
from benchmarks import topic_io
from benchmarks.bench import Bench
from benchmarks.figures import percentile
from benchmarks.processes import Processes, until

SYMBOLS = 40


def run(bench: Bench) -> None:
    """Measure the collector alone with the emulator."""
    with bench.kafka() as kafka:
        asyncio.run(_measure(bench, kafka))


async def _measure(bench: Bench, kafka: str) -> None:
    port, seconds = ports.free_port(), bench.amount(60, 15)
    names = tuple(f"S{number:02d}USDT" for number in range(SYMBOLS))
    rest = f"http://127.0.0.1:{port}"
    with Processes(bench.folder, kafka, symbols=names, exchange_rest_url=rest,
               exchange_ws_url=rest.replace("http", "ws")) as processes:  # fmt: skip
        processes.start("exchange", "exchange", "--synthetic", "7", "--symbols", ",".join(names), "--port", str(port))
        await asyncio.to_thread(until, lambda: _answers(rest), "the emulator", 60.0)
        collector = processes.start("collector", "collect")
        bench.say(f"collecting {SYMBOLS} symbols for {seconds:g} s")
        await asyncio.sleep(5 + seconds)
        cpu = sum(collector.cpu_times()[:2]) / (time.time() - collector.create_time())
        await asyncio.to_thread(processes.stop, "collector")
        batches = [one for one in await topic_io.appended(processes.settings, topics.TICKS) if not one.late]
    floor = await _floor(kafka)
    first = min(one.second for one in batches) + 3
    delays = [one.appended_ms - 1000.0 * (one.second + 1) for one in batches if one.second >= first]
    baseline = (f"{len(delays)} batches of {SYMBOLS} symbols, grace 50 ms in it, {100 * cpu:.0f} % of a core; "
              f"bare acknowledged send p50 {floor[0]:.1f}, p99 {floor[1]:.1f} ms")  # fmt: skip
    bench.record("end of second → acknowledged, p50", percentile(delays, 50), "ms", baseline=baseline)
    bench.record("end of second → acknowledged, p99", percentile(delays, 99), "ms", target=1000.0, baseline=baseline)


def _answers(rest: str) -> bool:
    try:
        return httpx.get(f"{rest}/api/v3/ping", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


async def _floor(kafka: str) -> tuple[float, float]:
    """Return p50 and p99 of a bare producer on the same broker, ms."""
    from app.settings import Settings

    sender, took = producer(Settings(kafka_url=kafka)), []
    await sender.start()
    try:
        for _ in range(200):
            started_s = time.perf_counter()
            await sender.send_and_wait("bench.ticks", b"{}", partition=0)
            took.append(1000.0 * (time.perf_counter() - started_s))
            await asyncio.sleep(0.01)
    finally:
        await sender.stop()
    return percentile(took, 50), percentile(took, 99)
