"""Cost of the collector: latency, CPU per message, the highest rate it holds, and its memory.

The emulator runs in a process of its own; collector and python-binance alone (its socket manager, a handler that does
nothing) read the same streams of it in turn. Latency counts from the end of the exchange's second to the time the
broker appended the batch, so the grace for late ticks (50 ms) is in it.
"""

import asyncio
import time
from typing import Any

from app.kafka.clients import producer
from app.kafka.topics import TICKS
from app.settings import Settings
from benchmarks.bench import Bench
from benchmarks.feed_lag import LiveSecond, Step, growth_mib_per_minute, highest_held
from benchmarks.feed_session import Session, Usage, session
from benchmarks.figures import percentile

SYMBOLS = 40
USUAL, HIGH = 1_200.0, 10_000.0  # messages/s of all symbols together
RATES = (5_000.0, 7_500.0, 10_000.0, 15_000.0, 20_000.0, 30_000.0, 45_000.0)
QUICK_RATES = (5_000.0, 15_000.0)
BOOK = "book_levels"  # the setting that turns the book on, where the collector has one
LEVELS = 20


def run(bench: Bench) -> None:
    """Measure at the usual rate, at a high one, then step the rate up."""
    with bench.kafka() as kafka:
        asyncio.run(_usual(bench, kafka))
        asyncio.run(_high(bench, kafka))
        asyncio.run(_ramp(bench, kafka))


# ── the usual rate: latency, CPU with and without the book ────────────────────────────────────────────────────


async def _usual(bench: Bench, kafka: str) -> None:
    seconds = bench.amount(60, 12)
    async with session(bench, kafka, "usual", SYMBOLS, USUAL) as feed:
        bench.say(f"{SYMBOLS} symbols, {USUAL:,.0f} messages/s, {seconds:g} s each")
        usage, live = await feed.collector(seconds, **_book(0))
        _record_latency(bench, usage, live, await _floor(feed.processes.settings))
        await _record_cpu(bench, feed, usage, seconds)
    if _book(LEVELS):
        await _with_book(bench, kafka, usage, seconds)


async def _with_book(bench: Bench, kafka: str, without: Usage, seconds: float) -> None:
    async with session(bench, kafka, "book", SYMBOLS, USUAL) as feed:
        usage, _ = await feed.collector(seconds, **_book(LEVELS))
    more = 100.0 * (usage.cpu_s / usage.seconds - without.cpu_s / without.seconds)
    bench.record(f"CPU of the collector per 1,000 messages/s, with {LEVELS} levels of the book",
                 usage.core_percent_per_thousand, "% of a core",
                 baseline=f"{usage.rate:,.0f} messages/s, those of the book among them; the book adds "
                          f"{more / SYMBOLS:.2f} % of a core per symbol")  # fmt: skip


def _book(levels: int) -> dict[str, Any]:
    """Return the setting that turns the book on or off; none where this collector has no book."""
    return {BOOK: levels} if BOOK in Settings.model_fields else {}


def _record_latency(bench: Bench, usage: Usage, live: list[LiveSecond], floor: tuple[float, float]) -> None:
    delays = [one.latency_ms for one in live]
    cores = 100.0 * usage.cpu_s / usage.seconds
    baseline = (f"{len(delays)} batches of {SYMBOLS} symbols, grace 50 ms in it, {cores:.0f} % of a core; "
                f"bare acknowledged send p50 {floor[0]:.1f}, p99 {floor[1]:.1f} ms")  # fmt: skip
    bench.record("end of second → acknowledged, p50", percentile(delays, 50), "ms", baseline=baseline)
    bench.record("end of second → acknowledged, p99", percentile(delays, 99), "ms", target=1000.0, baseline=baseline)


async def _record_cpu(bench: Bench, feed: Session, usage: Usage, seconds: float) -> Usage:
    """Record the CPU per message beside python-binance alone; return what the latter used."""
    peer = await feed.python_binance(seconds)
    ours, theirs = usage.core_percent_per_thousand, peer.core_percent_per_thousand
    what, sent = f"at {feed.rate:,.0f} messages/s", f"sent: {usage.rate:,.0f} and {peer.rate:,.0f} messages/s"
    baseline = f"python-binance alone {theirs:.2f} %; {sent}"
    bench.record(f"CPU of the collector per 1,000 messages/s, {what}", ours, "% of a core", baseline=baseline)
    bench.record(f"CPU per message ÷ python-binance alone, {what}", ours / max(theirs, 1e-9), "×", baseline=baseline)
    return peer


async def _floor(settings: Settings) -> tuple[float, float]:
    """Return p50 and p99 of a bare producer on the collector's topic, ms; the collector has ended."""
    sender, took = producer(settings), []
    await sender.start()
    try:
        for _ in range(200):
            started_s = time.perf_counter()
            await sender.send_and_wait(TICKS.full_name(settings), b"{}", partition=0)
            took.append(1000.0 * (time.perf_counter() - started_s))
            await asyncio.sleep(0.01)
    finally:
        await sender.stop()
    return percentile(took, 50), percentile(took, 99)


# ── a high rate: CPU and memory ───────────────────────────────────────────────────────────────────────────────


async def _high(bench: Bench, kafka: str) -> None:
    seconds = bench.amount(240, 15)
    async with session(bench, kafka, "high", SYMBOLS, HIGH) as feed:
        bench.say(f"{SYMBOLS} symbols, {HIGH:,.0f} messages/s, {seconds:g} s")
        usage, live = await feed.collector(seconds, **_book(0))
        peer = await _record_cpu(bench, feed, usage, bench.amount(60, 10))
    most, theirs = (max(mib for _, mib in one.rss_mib) for one in (usage, peer))
    baseline = (f"python-binance alone {theirs:.0f} MiB; grew {growth_mib_per_minute(usage.rss_mib):+.1f} MiB a minute "
                f"in {usage.seconds:.0f} s; {_integrity(live)}")  # fmt: skip
    bench.record(f"collector RSS at {HIGH:,.0f} messages/s, most", most, "MiB", target=512.0, baseline=baseline)


def _integrity(live: list[LiveSecond]) -> str:
    missing = sum(one.missing for one in live)
    return f"{missing} ids missing in {len(live)} batches"


# ── the rate stepped up until one side is at its limit ────────────────────────────────────────────────────────


async def _ramp(bench: Bench, kafka: str) -> None:
    steps: list[Step] = []
    for rate in QUICK_RATES if bench.quick else RATES:
        steps.append(await _step(bench, kafka, rate))
        if steps[-1].side_at_limit:
            break
    held, end = highest_held(steps)
    last = steps[-1]
    baseline = (f"{end}; there {_lag_text(last)}, collector {last.collector_cores:.2f} cores, emulator "
                f"{last.emulator_cores:.2f}, sent {last.emulator_late_ms:.0f} ms late (p50)")  # fmt: skip
    bench.record("highest rate that one collector holds", held, "messages/s", bound="least", baseline=baseline)


async def _step(bench: Bench, kafka: str, rate: float) -> Step:
    async with session(bench, kafka, f"step{rate:.0f}", SYMBOLS, rate) as feed:
        usage, live = await feed.collector(bench.amount(30, 12), **_book(0))
    step = Step(usage.rate, usage.late_ms, usage.dropped, [one.lag_ms for one in live],
                usage.cpu_s / usage.seconds, usage.emulator_cpu_s / usage.seconds)  # fmt: skip
    bench.say(f"{step.sent:,.0f} messages/s: {_lag_text(step)}, at its limit: {step.side_at_limit or 'nobody'}")
    return step


def _lag_text(step: Step) -> str:
    return f"lag {step.last_lag_ms:,.0f} ms, {step.growth_ms:+,.0f} ms within the step"
