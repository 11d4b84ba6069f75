"""Training. What enters: history; what leaves: a model's parameters and the verdict on time it never saw.

    history → blocks of time, purged and embargoed → scaler, ridge (train) → network from ridge → verdict (test)

One run takes about a minute on two cores for six hours of three symbols. The same history, seed and settings give
the same parameters.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from app.domain import features
from app.domain.artifact import Header, Parameters, pack
from app.domain.bar_window import WINDOW_S
from app.domain.baselines import SHARES, bounded, empirical_quantiles, fit_line, fit_scaler, naive, ridge
from app.domain.forecast import LEVELS, Floats, Forecaster, pinball
from app.domain.labels import Examples, Split, join, purged, split
from app.domain.long_run_variance import kept_share
from app.domain.model import BUCKETS, compiled, fit, started
from app.domain.network import outputs
from app.domain.release import release_of
from app.domain.series import Series, examples, span
from app.records import ModelRelease
from app.training.evaluate import Verdict, evaluate, metrics

HIDDEN = (48, 24)
LEAST_ROWS = 500
Note = Callable[[dict[str, float], str], None]


class TrainingError(ValueError):
    """History nobody can learn from: what is missing, and how much."""


@dataclass(frozen=True)
class Plan:
    """How to train."""

    horizons_s: tuple[int, ...]
    epochs: int = 12
    seed: int = 7
    stride: int = 1  # learn from every so manieth second
    created_ms: float = 0.0
    origin: str = ""


@dataclass(frozen=True)
class Trained:
    """A model, and how it did on the test block beside naive and ridge."""

    parameters: Parameters
    verdicts: dict[str, list[Verdict]]  # naive, ridge, tensorflow

    def release(self, name: str, expires_ms: float = 0.0) -> ModelRelease:
        """Return the challenger of this name; expires in exchange time, 0: never."""
        return release_of(name, pack(self.parameters), self.parameters.header, expires_ms=expires_ms)


def train(history: Sequence[Series], plan: Plan, note: Note = lambda figures, text: None) -> Trained:
    """Return the model learnt from the history and its verdict on the last block of it.

    Raises:
        TrainingError: the history is too short for three blocks with an embargo between.

    """
    blocks, train_rows, validation, test = prepare(history, plan)
    start = from_ridge(train_rows, plan)
    note({"rows": float(len(train_rows))}, f"training on {len(train_rows)} rows")
    best = fit(
        start, train_rows, validation, epochs=plan.epochs, seed=plan.seed,
        on_epoch=lambda epoch, loss: note({"epoch": epoch, "loss": loss}, f"epoch {epoch}: validation loss {loss:.5f}"),
    )  # fmt: skip
    best = best if best is start else tempered(start, best, validation, plan)
    verdicts = judge(best, test, plan)
    figures = metrics(verdicts["tensorflow"]) | {f"ridge_{k}": v for k, v in metrics(verdicts["ridge"]).items()}
    figures |= {"rows": float(len(train_rows)), "test_start": float(blocks.test[0]), "test_end": float(blocks.test[1])}
    figures["mids"] = float(all(series.mids for series in history if series.end > blocks.test[0]))
    return Trained(best.replaced(metrics=figures), verdicts)


def prepare(history: Sequence[Series], plan: Plan) -> tuple[Split, Examples, Examples, Examples]:
    """Return the blocks of time and their rows: train and validation in strides, test every second."""
    horizons = plan.horizons_s
    try:
        blocks = split(*span(history), embargo_s=WINDOW_S)
    except ValueError as error:
        raise TrainingError(f"the history is too short: {error}") from error
    strided = join([examples(series, i, horizons, plan.stride) for i, series in enumerate(history)])
    full = join([examples(series, i, horizons) for i, series in enumerate(history)])
    train_rows, validation = (purged(strided, block, horizons) for block in (blocks.train, blocks.validation))
    test = purged(full, blocks.test, horizons)
    for name, rows in (("train", train_rows), ("validation", validation), ("test", test)):
        least = LEAST_ROWS if name == "train" else LEAST_ROWS // 10
        if len(rows) < least:
            raise TrainingError(f"the {name} block has {len(rows)} usable rows, it needs {least}: wait for more")
    return blocks, train_rows, validation, test


def from_ridge(train_rows: Examples, plan: Plan) -> Parameters:
    """Return untrained parameters: scaler, naive quantiles and ridge from the train block, the network beside them."""
    scaler = fit_scaler(train_rows.features)
    line = fit_line(scaler, train_rows, plan.horizons_s, LEVELS)
    header = Header(
        feature_schema=features.SCHEMA, feature_names=features.NAMES, horizons_s=plan.horizons_s, levels=LEVELS,
        hidden=HIDDEN, created_ms=plan.created_ms, origin=plan.origin,
    )  # fmt: skip
    fixed = {
        "centre": scaler.centre, "scale": scaler.scale, "naive": empirical_quantiles(train_rows.z, train_rows.mask),
        "ridge": line.coefficients, "ridge_share": line.share, "ridge_quantiles": line.z_quantiles,
    }  # fmt: skip
    return started(header, fixed, plan.seed)


def judge(parameters: Parameters, test: Examples, plan: Plan) -> dict[str, list[Verdict]]:
    """Return the verdicts of naive, ridge and the network on the test rows."""
    horizons = plan.horizons_s
    forecasters: dict[str, Forecaster] = {
        "naive": naive(parameters.naive, horizons),
        "ridge": ridge(parameters.scaler, *parameters.ridge, horizons),
        "tensorflow": compiled(parameters, BUCKETS[-1:]),
    }
    return evaluate(forecasters, test, horizons)


def tempered(start: Parameters, best: Parameters, validation: Examples, plan: Plan) -> Parameters:
    """Return, per horizon, as much of what the network learnt beyond ridge as validation is sure of.

    Widths are learnt from every row, directions from the few that matter: left alone, they follow the last surprise.
    The mean keeps what is beyond luck (`kept_share`); median and gaps keep the share with the least pinball loss.
    """
    before, after = (outputs(parameters, validation.features) for parameters in (start, best))
    means = np.zeros(len(plan.horizons_s))
    for h, horizon in enumerate(plan.horizons_s):
        missing = (bounded(validation.z[:, h]) - before[:, h, 0]) * validation.liveliness
        learnt = (after[:, h, 0] - before[:, h, 0]) * validation.liveliness
        means[h] = kept_share(learnt, missing, validation.mask[:, h], validation.second, horizon)
    best = _blended(start, best, slice(0, 1), means)
    for columns in (slice(2, None), slice(1, 2)):
        best = _blended(start, best, columns, _least_loss(start, best, columns, validation, plan))
    return best


def _least_loss(start: Parameters, best: Parameters, columns: slice, rows: Examples, plan: Plan) -> Floats:
    """Return per horizon the share [H] of what these columns learnt that gives the least pinball loss."""
    losses = np.zeros((len(SHARES), len(plan.horizons_s)))
    for i, share in enumerate(SHARES):
        said = outputs(_blended(start, best, columns, np.full(len(plan.horizons_s), share)), rows.features)
        losses[i] = (pinball(rows.z, said[:, :, 1:], LEVELS) * rows.mask * rows.liveliness[:, None]).sum(axis=0)
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
