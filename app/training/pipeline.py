"""The training pipeline: from the history of some symbols to the parameters of a model and its evaluation.

    history → blocks of time, purged and embargoed → scaler, ridge (train) → network from ridge → evaluation (test)

One run takes about a minute on two cores for six hours of three symbols. The same history, seed and settings give
the same parameters.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from app.domain import features
from app.domain.artifact import Header, Parameters, pack
from app.domain.bar_window import WINDOW_S
from app.domain.baselines import SHARES, clipped, empirical_quantiles, fit_linear, fit_scaler, naive, ridge
from app.domain.examples import Examples, concatenated
from app.domain.forecast import LEVELS, Floats, Forecaster, pinball_loss
from app.domain.forward_pass import forward_pass
from app.domain.long_run_variance import shrinkage
from app.domain.model import BUCKETS, compiled_model, fit, initial_parameters
from app.domain.release import release_of
from app.domain.symbol_series import SymbolSeries, examples_of, time_span
from app.domain.time_split import TimeSplit, purged, split_by_time
from app.records import ModelRelease
from app.training.evaluation import Evaluation, evaluate, release_metrics

HIDDEN = (48, 24)
LEAST_ROWS = 500
ProgressCallback = Callable[[dict[str, float], str], None]


class TrainingError(ValueError):
    """The history is too short to train on; the message says what is missing, and how much."""


@dataclass(frozen=True)
class TrainingPlan:
    """How to train."""

    horizons_s: tuple[int, ...]
    epochs: int = 12
    seed: int = 7
    stride: int = 1  # use every so manieth second
    created_ms: float = 0.0
    origin: str = ""


@dataclass(frozen=True)
class TrainingResult:
    """The parameters of a model, and the evaluations of it, naive and ridge on the test block."""

    parameters: Parameters
    evaluations: dict[str, list[Evaluation]]  # naive, ridge, tensorflow

    def release(self, name: str, expires_ms: float = 0.0) -> ModelRelease:
        """Return the release as challenger; `expires_ms` is exchange time, 0: never."""
        return release_of(name, pack(self.parameters), self.parameters.header, expires_ms=expires_ms)


def train(
    history: Sequence[SymbolSeries], plan: TrainingPlan, on_progress: ProgressCallback = lambda figures, text: None
) -> TrainingResult:
    """Return the model fitted on the history and its evaluation on the last block.

    Raises:
        TrainingError: the history is too short for three blocks with an embargo between.

    """
    blocks, train_rows, validation, test = prepare(history, plan)
    start = from_ridge(train_rows, plan)
    on_progress({"rows": float(len(train_rows))}, f"training on {len(train_rows)} rows")
    best = fit(
        start, train_rows, validation, epochs=plan.epochs, seed=plan.seed,
        on_epoch=lambda epoch, loss: on_progress(
            {"epoch": epoch, "loss": loss}, f"epoch {epoch}: validation loss {loss:.5f}"
        ),
    )  # fmt: skip
    best = best if best is start else shrunk_to_ridge(start, best, validation, plan)
    evaluations = evaluate_model(best, test, plan)
    figures = release_metrics(evaluations["tensorflow"]) | {
        f"ridge_{k}": v for k, v in release_metrics(evaluations["ridge"]).items()
    }
    figures |= {"rows": float(len(train_rows)), "test_start": float(blocks.test[0]), "test_end": float(blocks.test[1])}
    figures["mids"] = float(all(series.mids for series in history if series.end > blocks.test[0]))
    return TrainingResult(best.replaced(metrics=figures), evaluations)


def prepare(history: Sequence[SymbolSeries], plan: TrainingPlan) -> tuple[TimeSplit, Examples, Examples, Examples]:
    """Return the blocks of time and their rows: train and validation in strides, test every second."""
    horizons = plan.horizons_s
    try:
        blocks = split_by_time(*time_span(history), embargo_s=WINDOW_S)
    except ValueError as error:
        raise TrainingError(f"the history is too short: {error}") from error
    strided = concatenated([examples_of(series, i, horizons, plan.stride) for i, series in enumerate(history)])
    full = concatenated([examples_of(series, i, horizons) for i, series in enumerate(history)])
    train_rows, validation = (purged(strided, block, horizons) for block in (blocks.train, blocks.validation))
    test = purged(full, blocks.test, horizons)
    for name, rows in (("train", train_rows), ("validation", validation), ("test", test)):
        least = LEAST_ROWS if name == "train" else LEAST_ROWS // 10
        if len(rows) < least:
            raise TrainingError(f"the {name} block has {len(rows)} usable rows, it needs {least}: wait for more")
    return blocks, train_rows, validation, test


def from_ridge(train_rows: Examples, plan: TrainingPlan) -> Parameters:
    """Return untrained parameters: scaler, naive quantiles and ridge from the train block, the network at zero."""
    scaler = fit_scaler(train_rows.features)
    linear = fit_linear(scaler, train_rows, plan.horizons_s, LEVELS)
    header = Header(
        feature_schema=features.SCHEMA, feature_names=features.NAMES, horizons_s=plan.horizons_s, levels=LEVELS,
        hidden=HIDDEN, created_ms=plan.created_ms, origin=plan.origin,
    )  # fmt: skip
    fixed = {
        "centre": scaler.centre, "scale": scaler.scale, "naive": empirical_quantiles(train_rows.z, train_rows.mask),
        "ridge": linear.coefficients, "ridge_share": linear.quantile_slope, "ridge_quantiles": linear.z_quantiles,
    }  # fmt: skip
    return initial_parameters(header, fixed, plan.seed)


def evaluate_model(parameters: Parameters, test: Examples, plan: TrainingPlan) -> dict[str, list[Evaluation]]:
    """Return the evaluations of naive, ridge and the network on the test rows."""
    horizons = plan.horizons_s
    forecasters: dict[str, Forecaster] = {
        "naive": naive(parameters.naive, horizons),
        "ridge": ridge(parameters.scaler, *parameters.ridge, horizons),
        "tensorflow": compiled_model(parameters, BUCKETS[-1:]),
    }
    return evaluate(forecasters, test, horizons)


def shrunk_to_ridge(start: Parameters, best: Parameters, validation: Examples, plan: TrainingPlan) -> Parameters:
    """Return parameters in which, per horizon, what the network learnt beyond ridge is shrunk by validation.

    Every row teaches widths, but only few teach directions: without shrinkage those overfit the last large move.
    The mean keeps what is significant (`shrinkage`); median and gaps keep the share with the least pinball loss.
    """
    before, after = (forward_pass(parameters, validation.features) for parameters in (start, best))
    means = np.zeros(len(plan.horizons_s))
    for h, horizon in enumerate(plan.horizons_s):
        missing = (clipped(validation.z[:, h]) - before[:, h, 0]) * validation.relative_volatility
        learnt = (after[:, h, 0] - before[:, h, 0]) * validation.relative_volatility
        means[h] = shrinkage(learnt, missing, validation.mask[:, h], validation.second, horizon)
    best = _blended(start, best, slice(0, 1), means)
    for columns in (slice(2, None), slice(1, 2)):
        best = _blended(start, best, columns, _least_loss(start, best, columns, validation, plan))
    return best


def _least_loss(start: Parameters, best: Parameters, columns: slice, rows: Examples, plan: TrainingPlan) -> Floats:
    """Return per horizon the share [H] of what these columns learnt that gives the least pinball loss."""
    losses = np.zeros((len(SHARES), len(plan.horizons_s)))
    for i, share in enumerate(SHARES):
        predicted = forward_pass(_blended(start, best, columns, np.full(len(plan.horizons_s), share)), rows.features)
        losses[i] = (
            pinball_loss(rows.z, predicted[:, :, 1:], LEVELS) * rows.mask * rows.relative_volatility[:, None]
        ).sum(axis=0)
    kept: Floats = np.array(SHARES)[losses.argmin(axis=0)]
    return kept


def _blended(start: Parameters, best: Parameters, columns: slice, shares: Floats) -> Parameters:
    """Return the best parameters with, per horizon, only a share [H] of what the outputs `columns` learnt."""
    arrays = {}
    for name in ("skip", "head", "bias"):
        old, new = (p.arrays[name].reshape(-1, len(shares), len(LEVELS) + 1) for p in (start, best))
        mixed = new.copy()
        mixed[:, :, columns] = old[:, :, columns] + shares[:, None] * (new - old)[:, :, columns]
        arrays[name] = mixed.reshape(best.arrays[name].shape).astype(np.float32)
    return best.replaced(arrays)
