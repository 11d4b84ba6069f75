"""The TensorFlow model: compiled inference from an artifact, and fitting from examples.

A small network with a linear path. Its outputs per horizon are the mean, the median and the gaps between neighbouring
quantiles, each a softplus: quantiles cannot cross. The linear path starts as the ridge model and the network's last
layer as zero, so an untrained model forecasts what ridge forecasts. The loss is the pinball loss (Koenker & Bassett
1978) plus a small squared error for the mean.

TensorFlow is imported inside functions: modules that need only the shapes do not wait for it.
"""

import os
from bisect import bisect_left
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.domain.artifact import Header, Parameters, unpack
from app.domain.baselines import CLIP, clipped
from app.domain.examples import Examples
from app.domain.forecast import Floats, Rows

# Batch sizes with a compiled function of their own; others are padded up, so by at most a third.
BUCKETS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)
WEIGHTS = ("hidden1", "bias1", "hidden2", "bias2", "head", "skip", "bias")
MEAN_WEIGHT = 0.05  # of the squared error, relative to the pinball loss
WEIGHT_DECAY = 1e-4  # pulls the network's weights to zero and the linear path to ridge
LEARNING_RATE = 1e-3
PATIENCE = 3  # epochs without a better validation loss


@lru_cache(maxsize=1)
def tensorflow() -> Any:
    """Return TensorFlow, imported once, quiet, with one thread per pool: more contend for the cores."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # XLA does the work; without it the same numbers everywhere
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    for card in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(card, True)
    return tf


class Model:
    """One release, compiled and warmed: a `Forecaster`. Calls are synchronous and may come from any one thread."""

    def __init__(self, parameters: Parameters) -> None:
        self.parameters = parameters
        self.missing_sizes: set[int] = set()  # sizes that were called and are not compiled
        self._functions: dict[int, Callable[[Any], Any]] = {}
        self._tensor = tensorflow().constant
        self._features = len(parameters.header.feature_names)
        self._function = _function(parameters)

    @property
    def compiled_sizes(self) -> set[int]:
        """The batch sizes that are compiled."""
        return set(self._functions)

    def compile(self, buckets: Iterable[int]) -> None:
        """Compile those of these batch sizes that are not yet, 0.2 s each; the others may be called meanwhile."""
        tf, width = tensorflow(), self._features + 1
        for size in set(buckets) - self._functions.keys():
            concrete = self._function.get_concrete_function(tf.TensorSpec([size, width], "float32"))
            concrete(tf.zeros([size, width]))
            self._functions = dict(sorted({**self._functions, size: concrete}.items()))
            self.missing_sizes.discard(size)

    def __call__(self, features: Rows, volatility: Floats) -> tuple[Rows, Rows]:
        """Return mean [S, H] and quantiles [S, H, Q] as log returns, for rows [S, F] and volatility [S]."""
        if (best := bucket_for(len(features))) not in self._functions:
            self.missing_sizes.add(best)
        largest = max(self._functions)
        if len(features) > largest:
            starts = range(0, len(features), largest)
            out = np.concatenate([self._call(features[i : i + largest], volatility[i : i + largest]) for i in starts])
        else:
            out = self._call(features, volatility)
        return out[:, :, 0], out[:, :, 1:]

    def _call(self, features: Rows, volatility: Floats) -> Rows:
        # One array in, one array out: each call into TensorFlow costs 15 µs.
        rows = len(features)
        bucket = next(size for size in self._functions if size >= rows)
        packed = np.zeros((bucket, self._features + 1), np.float32)
        packed[:rows, :-1] = features
        packed[:rows, -1] = volatility
        out: Rows = self._functions[bucket](self._tensor(packed)).numpy()
        return out[:rows]


def compile_release(artifact: bytes, buckets: Iterable[int] = BUCKETS) -> Model:
    """Return the model of an artifact, these batch sizes compiled and called once.

    Raises:
        ArtifactError: the artifact is refused.

    """
    return compiled_model(unpack(artifact), buckets)


def compiled_model(parameters: Parameters, buckets: Iterable[int] = BUCKETS) -> Model:
    """Return the model of parameters, one XLA function per batch size, warmed."""
    model = Model(parameters)
    model.compile(buckets)
    return model


def bucket_for(rows: int) -> int:
    """Return the smallest batch size for so many rows; the largest one if there are more.

    >>> [bucket_for(rows) for rows in (1, 5, 5000)]
    [1, 6, 1024]
    """
    return BUCKETS[min(bisect_left(BUCKETS, rows), len(BUCKETS) - 1)]


def _function(parameters: Parameters) -> Any:
    """Return the forecast as a TensorFlow function, compiled for each shape it is called with."""
    tf = tensorflow()
    arrays = {name: tf.constant(array, "float32") for name, array in parameters.arrays.items()}

    root_h = tf.sqrt(tf.constant(parameters.header.horizons_s, "float32"))

    def forecast(packed: Any) -> Any:
        rows = tf.clip_by_value((packed[:, :-1] - arrays["centre"]) / arrays["scale"], -CLIP, CLIP)
        rows = tf.where(tf.math.is_nan(rows), tf.zeros_like(rows), rows)
        known = (packed[:, -1:] > 0) & tf.math.is_finite(packed[:, -1:])
        volatility = tf.where(known, tf.minimum(packed[:, -1:], 1.0), 0.0)  # more is an error of the feed
        return tf.concat(_outputs(tf, arrays, rows, parameters.header), axis=-1) * (volatility * root_h)[:, :, None]

    return tf.function(forecast, jit_compile=True)


def _outputs(tf: Any, weights: dict[str, Any], rows: Any, header: Header) -> tuple[Any, Any]:
    """Return mean [N, H, 1] and quantiles [N, H, Q] of standardised rows [N, F]."""
    levels = len(header.levels)
    middle = levels // 2
    hidden = tf.nn.swish(rows @ weights["hidden1"] + weights["bias1"])
    hidden = tf.nn.swish(hidden @ weights["hidden2"] + weights["bias2"])
    raw = hidden @ weights["head"] + rows @ weights["skip"] + weights["bias"]
    raw = tf.reshape(raw, [-1, len(header.horizons_s), levels + 1])
    median, gaps = raw[:, :, 1:2], tf.nn.softplus(raw[:, :, 2:])
    below = median - tf.cumsum(gaps[:, :, :middle], axis=-1)
    above = median + tf.cumsum(gaps[:, :, middle:], axis=-1)
    return raw[:, :, :1], tf.concat([below[:, :, ::-1], median, above], axis=-1)


def initial_parameters(header: Header, fixed: dict[str, Any], seed: int) -> Parameters:
    """Return untrained parameters that forecast what ridge forecasts.

    `fixed` holds centre, scale, naive, ridge, ridge_share and ridge_quantiles; see `Header.shapes`.
    """
    shapes, random = header.shapes(), np.random.default_rng(seed)
    F, (A, B), H, Q = len(header.feature_names), header.hidden, len(header.horizons_s), len(header.levels)
    skip, bias = np.zeros((F, H, Q + 1)), np.zeros((H, Q + 1))
    skip[:, :, 0], skip[:, :, 1] = fixed["ridge"], fixed["ridge"] * fixed["ridge_share"]
    bias[:, 1:] = _raw_of_quantiles(np.asarray(fixed["ridge_quantiles"], np.float64))
    arrays = {
        **fixed,
        "hidden1": random.normal(0, F**-0.5, (F, A)), "bias1": np.zeros(A),
        "hidden2": random.normal(0, A**-0.5, (A, B)), "bias2": np.zeros(B),
        "head": np.zeros(shapes["head"]), "skip": skip.reshape(F, -1), "bias": bias.reshape(-1),
    }  # fmt: skip
    return Parameters(header=header, arrays={name: np.asarray(array, np.float32) for name, array in arrays.items()})


def _raw_of_quantiles(quantiles: Floats) -> Floats:
    """Return [H, Q]: the median, then what softplus turns into the gaps below it (nearest first) and above it."""
    middle = quantiles.shape[1] // 2
    gaps = np.maximum(np.diff(quantiles, axis=1), 1e-3)
    raw = np.concatenate([gaps[:, :middle][:, ::-1], gaps[:, middle:]], axis=1)
    return np.concatenate([quantiles[:, middle : middle + 1], np.log(np.expm1(raw))], axis=1)


def fit(
    start: Parameters, train: Examples, validation: Examples, *, epochs: int, seed: int, batch: int = 512,
    on_epoch: Callable[[int, float], None] = lambda epoch, loss: None,
) -> Parameters:  # fmt: skip
    """Return the parameters of the epoch with the least validation loss, the start included.

    Whole batches only, one compiled step; stops after three epochs without progress. `on_epoch` gets the number
    and the validation loss of each epoch.
    """
    tf = tensorflow()
    weights = {name: tf.Variable(start.arrays[name]) for name in WEIGHTS}
    step, loss_of = _step(tf, weights, start.header)
    rows, held = _tensors(start, train), tuple(map(tf.constant, _tensors(start, validation)))
    best, best_loss, best_epoch = start, float(loss_of(*held)), 0
    on_epoch(0, best_loss)
    random, batch = np.random.default_rng(seed), min(batch, len(train))
    for epoch in range(1, epochs + 1):
        order = random.permutation(len(train))
        for i in range(0, len(train) - batch + 1, batch):
            step(*(tf.constant(column[order[i : i + batch]]) for column in rows))
        loss = float(loss_of(*held))
        on_epoch(epoch, loss)
        if loss < best_loss:
            best = start.replaced({name: weight.numpy() for name, weight in weights.items()})
            best_loss, best_epoch = loss, epoch
        if epoch - best_epoch >= PATIENCE:
            break
    return best


def _tensors(parameters: Parameters, rows: Examples) -> tuple[NDArray[np.float32], ...]:
    weight = (rows.mask * rows.relative_volatility[:, None]).astype(np.float32)
    return parameters.scaler(rows.features), clipped(rows.z, 8.0).astype(np.float32), weight


def _step(tf: Any, weights: dict[str, Any], header: Header) -> tuple[Any, Any]:
    """Return the compiled training step and the compiled loss, each of (rows, targets, weight)."""
    levels, anchor = tf.constant(header.levels, "float32"), tf.identity(weights["skip"])
    optimiser, variables = tf.keras.optimizers.Adam(LEARNING_RATE), list(weights.values())
    optimiser.build(variables)

    def loss_of(rows: Any, z: Any, weight: Any) -> Any:
        mean, quantiles = _outputs(tf, weights, rows, header)
        over = z[:, :, None] - quantiles
        pinball = tf.reduce_mean(tf.maximum(levels * over, (levels - 1.0) * over), axis=-1)
        squared = tf.square(tf.clip_by_value(z, -5.0, 5.0) - mean[:, :, 0])
        return tf.reduce_sum(weight * (pinball + MEAN_WEIGHT * squared)) / tf.maximum(tf.reduce_sum(weight), 1.0)

    def step(rows: Any, z: Any, weight: Any) -> None:
        with tf.GradientTape() as tape:
            pull = sum(tf.nn.l2_loss(weights[name]) for name in ("hidden1", "hidden2", "head"))
            pull += 10.0 * tf.nn.l2_loss(weights["skip"] - anchor)
            loss = loss_of(rows, z, weight) + WEIGHT_DECAY * pull
        optimiser.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))

    return tf.function(step, jit_compile=True), tf.function(loss_of, jit_compile=True)
