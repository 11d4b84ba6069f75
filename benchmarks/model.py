"""Time of one model call, compared with bare XLA and `keras.predict`.

All three take turns on the same rows. Bare XLA is a concrete function compiled for exactly that batch, called with a
tensor made from a ready array, its answer converted back to one; ours also pads, packs and unpacks.
"""

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from app import releases
from app.domain.artifact import Parameters, unpack
from app.domain.model import Model, compiled_model, tensorflow
from benchmarks.bench import Bench

BATCHES = (1, 2, 4, 10, 16, 40, 64, 100, 200, 256)


def run(bench: Bench) -> None:
    """Measure every batch size; the target applies to the worst of them."""
    parameters = unpack(releases.packaged()[0].artifact)
    model, keras = compiled_model(parameters), equivalent(parameters)
    rounds = int(bench.amount(400, 60))
    ratios, against = {}, {}
    for batch in BATCHES:
        ours, bare, theirs = _times(parameters, model, keras, batch, rounds)
        ratios[batch], against[batch] = ours / bare, theirs / ours
        figures = (1e3 * seconds for seconds in (ours, bare, theirs))
        bench.say("batch {}: ours {:.3f}, bare XLA {:.3f}, keras.predict {:.1f} ms".format(batch, *figures))
    worst, least = max(ratios, key=ratios.__getitem__), min(against, key=against.__getitem__)
    typical, usual = statistics.median(ratios.values()), statistics.median(against.values())
    bench.record("model call ÷ bare XLA, worst batch ≤ 256", ratios[worst], "×", target=1.3,
               baseline=f"at {worst} rows; median of sizes {typical:.2f}; {rounds} alternating calls each")  # fmt: skip
    bench.record("keras.predict ÷ model call, worst batch ≤ 256", against[least], "×", target=100.0, bound="least",
               baseline=f"at {least} rows; median of sizes {usual:.0f}")  # fmt: skip


def _times(parameters: Parameters, model: Model, keras: Any, batch: int, rounds: int) -> tuple[float, float, float]:
    """Return the medians of our call, the bare XLA call and `keras.predict`, s."""
    rows, volatility = _rows(parameters, batch)
    packed = np.concatenate([rows, volatility[:, None]], axis=1).astype(np.float32)
    exact = compiled_model(parameters, (batch,))._functions[batch]  # noqa: SLF001 – the bare call is what is asked for
    constant = tensorflow().constant
    ours, bare = alternating(lambda: model(rows, volatility), lambda: exact(constant(packed)).numpy(), rounds)
    theirs = statistics.median(times_s(lambda: keras.predict(rows, verbose=0), 5 + rounds // 20))
    return ours, bare, theirs


def _rows(parameters: Parameters, batch: int) -> tuple[Any, Any]:
    random = np.random.default_rng(batch)
    rows = random.normal(size=(batch, len(parameters.header.feature_names))).astype(np.float32)
    return rows, random.uniform(1e-5, 1e-4, batch)


def times_s(call: Callable[[], Any], rounds: int) -> list[float]:
    """Return how long each of some calls took, s; the first three are not counted."""
    times = []
    for number in range(rounds + 3):
        started_s = time.perf_counter()
        call()
        if number >= 3:
            times.append(time.perf_counter() - started_s)
    return times


def alternating(first: Callable[[], Any], second: Callable[[], Any], rounds: int) -> tuple[float, float]:
    """Return the medians of two calls that take turns in tens, s."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(max(1, rounds // 10)):
        for call, kept in zip((first, second), times, strict=True):
            kept += times_s(call, 10)
    return statistics.median(times[0]), statistics.median(times[1])


def equivalent(parameters: Parameters) -> Any:
    """Return a Keras model of the same layers and weights."""
    keras, arrays = tensorflow().keras, parameters.arrays
    given = keras.Input((len(parameters.header.feature_names),))
    first, second = (keras.layers.Dense(width, activation="swish") for width in parameters.header.hidden)
    outputs = arrays["head"].shape[1]
    head, skip = keras.layers.Dense(outputs, use_bias=False), keras.layers.Dense(outputs)
    model = keras.Model(given, head(second(first(given))) + skip(given))
    first.set_weights([arrays["hidden1"], arrays["bias1"]])
    second.set_weights([arrays["hidden2"], arrays["bias2"]])
    head.set_weights([arrays["head"]])
    skip.set_weights([arrays["skip"], arrays["bias"]])
    return model
