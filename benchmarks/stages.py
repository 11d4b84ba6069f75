"""Where a batch's time goes. What enters: batches of 100 symbols × 30 ticks; what leaves: milliseconds per step.

The steps of the worker one after the other in this process, with nothing around them: no Kafka, no Faust, no disk.
What a batch costs in a running worker beyond their sum (`throughput`) is the price of the hops.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
from cramjam import zstd

from app import releases
from app.domain.calibration import calibration_of
from app.domain.forecast import LEVELS
from app.domain.messages import feature_batch, outcome_batch
from app.domain.predictions import predict
from app.domain.settlement import Settlements
from app.domain.windows import SymbolWindows
from app.records import FeatureBatch, PredictionBatch, TickBatch
from app.settings import Settings
from app.streaming.faust_app import encode
from app.streaming.serving_models import ServingModels
from app.worker import freeze_memory
from benchmarks.bench import Bench
from benchmarks.ticks import START, Market, body, payload

SYMBOLS, TRADES, QUOTES = 100, 10, 20
ZSTD_LEVEL = 3  # aiokafka's


class Clock:
    """Seconds per step, once it counts."""

    def __init__(self) -> None:
        self.spent_s: defaultdict[str, float] = defaultdict(float)
        self.counts = False

    @contextmanager
    def of(self, step: str) -> Iterator[None]:
        """Time one step."""
        began = time.perf_counter()
        yield
        if self.counts:
            self.spent_s[step] += time.perf_counter() - began


def run(bench: Bench) -> None:
    """Walk batches through every step; the first half only warms up."""
    count = int(bench.of(700, 120))
    clock = asyncio.run(_walked(count))
    each_ms = {step: 1e3 * spent / (count - count // 2) for step, spent in clock.spent_s.items()}
    parts = ", ".join(f"{step} {spent:.1f}" for step, spent in each_ms.items())
    bench.note(f"a batch of {SYMBOLS} symbols × {TRADES + QUOTES} ticks, every step of the worker",
               sum(each_ms.values()), "ms", baseline=parts)  # fmt: skip


async def _walked(count: int) -> Clock:
    of, clock = Settings(symbols=tuple(f"S{n}" for n in range(SYMBOLS)), partitions=1), Clock()
    market, ensemble = Market(SYMBOLS, TRADES, QUOTES), ServingModels(of)
    for release in releases.packaged():
        ensemble.registry.update(release)
    await ensemble._swap()  # noqa: SLF001 – the line-up without a Kafka to read releases from
    windows, settlements = SymbolWindows(), Settlements(of.horizons_s, LEVELS, of.scores_halflife_s)
    ticks, features = msgspec.json.Decoder(TickBatch).decode, msgspec.json.Decoder(FeatureBatch).decode
    predictions, learned = msgspec.json.Decoder(PredictionBatch).decode, b""
    freeze_memory()
    for number in range(count):
        clock.counts = number >= count // 2
        second = START + number
        sent = payload(0, second, 1e3 * (second + 1), body(market.second(second)))
        with clock.of("decode"):
            batch = ticks(sent)
        with clock.of("windows and features"):
            windows.update(batch)
            made = feature_batch(batch, windows.feature_rows(), 1.0)
        sent = _sent(clock, made)
        with clock.of("decode"):
            made = features(sent)
        with clock.of("all models"):
            calibration = calibration_of(learned) if learned else None
            forecast = predict(made, ensemble.lineup(second), calibration, 1.0)
        sent = _sent(clock, forecast)
        with clock.of("decode"):
            forecast = predictions(sent)
        with clock.of("settlement and scores"):
            outcome = outcome_batch(forecast, *settlements.settle(forecast), 1.0)
            settlements.pending_record(forecast)
            learned = settlements.scores_record()
        _sent(clock, outcome)
    return clock


def _sent(clock: Clock, record: msgspec.Struct) -> bytes:
    with clock.of("encode"):
        value = encode(record)
    with clock.of("compress"):
        zstd.compress(value, ZSTD_LEVEL)
    return value
