"""Time of each step of the worker on batches of one and of 100 symbols × 30 ticks.

The steps of the worker one after the other in this process, with nothing around them: no Kafka, no Faust, no disk.
What a batch costs in a running worker beyond their sum (`throughput`, `worker`) is the cost of the hops.

At twenty batches a second the same code on the same data takes longer than without a pause: after a pause it meets cold
caches and a processor that slept.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
from cramjam import zstd

from agents.outcomes import SCORES_EVERY_S
from app import releases
from app.domain.batch_builders import feature_batch, outcome_batch
from app.domain.forecast import LEVELS
from app.domain.predictions import predict
from app.domain.settlement import Settlements
from app.domain.windows import SymbolWindows
from app.records import PredictionBatch, TickBatch
from app.settings import Settings
from app.streaming.publisher import encode
from app.streaming.serving_models import ServingModels
from app.worker import freeze_memory
from benchmarks.bench import Bench
from benchmarks.ticks import START, Market, body, payload

TRADES, QUOTES = 10, 20
PAUSES_S = (0.0, 0.05)
ZSTD_LEVEL = 3  # aiokafka's


class StepTimes:
    """Seconds per step, once it counts."""

    def __init__(self) -> None:
        self.spent_s: defaultdict[str, float] = defaultdict(float)
        self.counts = False

    @contextmanager
    def of(self, step: str) -> Iterator[None]:
        """Time one step."""
        started_s = time.perf_counter()
        yield
        if self.counts:
            self.spent_s[step] += time.perf_counter() - started_s


def run(bench: Bench) -> None:
    """Run batches through every step, without and with pauses; the first half only warms up."""
    count = int(bench.amount(700, 120))
    for symbols in (1, 100):
        for pause_s in PAUSES_S:
            times = asyncio.run(_run_steps(count, symbols, pause_s))
            each_ms = {step: 1e3 * spent / (count - count // 2) for step, spent in times.spent_s.items()}
            parts = ", ".join(f"{step} {spent:.2f}" for step, spent in each_ms.items())
            what = (
                f"a batch of {symbols} symbol{'s' * (symbols > 1)} × {TRADES + QUOTES} ticks, every step of the worker"
            )
            bench.record(f"{what}, {f'{1 / pause_s:.0f} a second' if pause_s else 'without pause'}",
                       sum(each_ms.values()), "ms", baseline=parts)  # fmt: skip


async def _run_steps(count: int, symbols: int, pause_s: float) -> StepTimes:
    settings, times = Settings(symbols=tuple(f"S{n}" for n in range(symbols)), partitions=1), StepTimes()
    market, serving = Market(symbols, TRADES, QUOTES), ServingModels(settings)
    for release in releases.packaged():
        serving.registry.update(release)
    await serving._swap()  # noqa: SLF001 – the lineup without a Kafka to read releases from
    windows, settlements = SymbolWindows(), Settlements(settings.horizons_s, LEVELS, settings.scores_halflife_s)
    ticks, predictions = msgspec.json.Decoder(TickBatch).decode, msgspec.json.Decoder(PredictionBatch).decode
    freeze_memory()
    for number in range(count):
        times.counts = number >= count // 2
        second = START + number
        sent = payload(0, second, 1e3 * (second + 1), body(market.second(second)))
        await asyncio.sleep(pause_s)
        with times.of("decode"):
            batch = ticks(sent)
        with times.of("windows and features"):
            windows.update(batch)
            rows = windows.feature_rows()
            features = feature_batch(batch, rows, 1.0)
        with times.of("all models"):
            forecast = predict(batch, rows, serving.lineup(second), settlements.calibration(), 1.0)
        sent = _encode(times, forecast)
        _encode(times, features)
        with times.of("decode"):
            forecast = predictions(sent)
        with times.of("settlement and scores"):
            outcome = outcome_batch(forecast, *settlements.settle(forecast), 1.0)
            settlements.pending_record(forecast)
            if second % SCORES_EVERY_S == 0:
                settlements.scores_record()
        _encode(times, outcome)
    return times


def _encode(times: StepTimes, record: msgspec.Struct) -> bytes:
    with times.of("encode"):
        value = encode(record)
    with times.of("compress"):
        zstd.compress(value, ZSTD_LEVEL)
    return value
