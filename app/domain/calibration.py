"""Online conformal calibration of quantile forecasts.

From the outcomes that fell below the issued quantiles it learns offsets, one per model, symbol, horizon and level, in
units of volatility·√horizon, and corrects quantiles by them.

The rule is quantile tracking: offset += η·(τ − 1{y < issued quantile}). It needs no assumption on the data: with a
constant η, whatever the market does, the share of outcomes below differs from τ by |offset's drift| ÷ (η·outcomes).
Gibbs & Candès 2021, "Adaptive conformal inference under distribution shift"; Angelopoulos, Candès & Tibshirani 2023,
"Conformal PID control". Particular to this module, with simulations in tests/domain/test_calibration.py:

- Outcomes of horizon h overlap and arrive h seconds late, so the step is proportional to 1/h: it then acts on
  independent outcomes, and past the start stays far below the π/2 at which a delayed loop begins to oscillate.
- The step starts large and falls with the number of outcomes to a floor (Angelopoulos, Barber & Bates 2024, "Online
  conformal prediction with decaying step sizes"). It grows while the issued interval is much too wide, as an
  outcome inside a wide interval says little. Past the start η is constant except for such intervals.
- A scale that is wrong is wrong at every horizon: until it has outcomes of its own, a horizon follows the next shorter.
- The median is left alone, and no quantile is pushed further inwards once it touches its inner neighbour.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from statistics import NormalDist

import numpy as np

from app.domain.arrays import ABSENT, F32, F64, Bools, CellIndex, Ints, reindexed

FIRST_STEP = 4.0  # × 1/h, at the first outcome
STEP = 0.2  # × 1/h, for ever after
WARMUP_S, WARMUP_HORIZONS = 30.0, 3.0  # the step has halved after so many outcomes plus so many horizons of them
FOLLOW_HORIZONS = 3.0  # until it has so many horizons of outcomes, a horizon takes the offsets of the next shorter
BOUND = 10.0  # of an offset, in units of volatility·√horizon
WIDE = 1.25  # × the normal quantile: beyond this an issued quantile counts as too wide, and the step grows
WIDEST = 4.0  # times the step, at most
SHIFT_SHARE = 0.1  # of a one-sided miss shifts the interval; the rest changes its width

Models = Sequence[tuple[str, str, int]]  # id, kind, newest second seen


@lru_cache(maxsize=64)
def median_position(levels: Sequence[float]) -> int:
    """Return the position of the median; ValueError unless the levels rise, mirror each other and include 0.5."""
    mirrored = [1.0 - level for level in reversed(levels)]
    if list(levels) != sorted(set(levels)) or not np.allclose(levels, mirrored) or 0.5 not in levels:
        raise ValueError(f"quantile levels must rise, mirror each other and include 0.5, not {tuple(levels)}")
    return list(levels).index(0.5)


def corrected(quantiles: F64, volatility: F64, offsets: F64, horizons_s: Sequence[int], middle: int) -> F64:
    """Return quantiles […,S,H,Q] moved by offsets of that shape, log returns; median unmoved, outer never inside inner.

    `volatility` [S] is that of the log price per √second.
    """
    scale = volatility[:, None] * np.sqrt(np.asarray(horizons_s, np.float64))
    out = quantiles + offsets * scale[..., None]
    out[..., middle] = quantiles[..., middle]
    out[..., middle::-1] = np.minimum.accumulate(out[..., middle::-1], axis=-1)
    out[..., middle:] = np.maximum.accumulate(out[..., middle:], axis=-1)
    return out


class Calibration:
    """The offsets of one second, read-only: arrays of an `OutcomeState`, which may not change while they are in use."""

    def __init__(
        self, horizons_s: Sequence[int], levels: Sequence[float], models: Models, row: Mapping[str, int], offsets: F32
    ) -> None:
        """Take models as (id, kind, newest second seen), the row of each symbol, and offsets [H,M,S,Q]."""
        self.horizons_s, self.levels = horizons_s, levels
        self._middle = median_position(levels)
        self._models, self._row, self._offsets = models, row, offsets

    def offsets(self, model: str, kind: str, symbols: Sequence[str]) -> F64:
        """Return [S,H,Q] in units of volatility·√horizon; a new model begins with those of the newest of its kind.

        Zeros where there are none: a symbol without outcomes, the first model of a kind.
        """
        rows = np.fromiter((self._row.get(symbol, ABSENT) for symbol in symbols), np.int64, len(symbols))
        out = np.zeros((len(symbols), len(self.horizons_s), len(self.levels)))
        position = predecessor_position(self._models, model, kind)
        if position != ABSENT and self._row:
            out[:] = self._offsets[:, position, rows].swapaxes(0, 1)
            out[rows == ABSENT] = 0.0
        return out

    def corrected(self, quantiles: F64, volatility: F64, offsets: F64) -> F64:
        """Return quantiles […,S,H,Q], log returns, moved by offsets of that shape: see the function of this name."""
        return corrected(quantiles, volatility, offsets, self.horizons_s, self._middle)


def predecessor_position(models: Sequence[tuple[str, str, int]], model: str, kind: str) -> int:
    """Return the position of a model, else of the newest of its kind, else ABSENT. `models`: id, kind, last second."""
    ranked = (
        (name == model, seen, position)
        for position, (name, of, seen) in enumerate(models)
        if model == name or of == kind
    )
    return max(ranked, default=(False, 0, ABSENT))[2]


def width_and_shift(push: F32) -> F32:
    """Return updates [..., Q] in which mirrored levels share the change of width, and a tenth of the shift is kept.

    Which side was missed says little about the next outcome: overlapping outcomes of one trend miss on one side for
    minutes, and an interval that follows them leaves the mid. The width follows the misses of both sides together.
    """
    width, shift = (push - push[..., ::-1]) / 2, (push + push[..., ::-1]) / 2
    moved: F32 = np.asarray(width + SHIFT_SHARE * shift, np.float32)
    return moved


class QuantileTracker:
    """Learns the offsets, float32 [H,M,S,Q]; `seen` is the number of outcomes of each cell [H,M,S]."""

    def __init__(self, horizons_s: Sequence[int], levels: Sequence[float]) -> None:
        self._horizon = np.asarray(horizons_s, np.float32)
        self._warm = np.float32(WARMUP_S) + np.float32(WARMUP_HORIZONS) * self._horizon
        self._level = np.asarray(levels, np.float32)
        self._middle = median_position(levels)
        usual = [NormalDist().inv_cdf(level) for level in levels]
        self._wide = np.maximum(WIDE * np.abs(np.asarray(usual, np.float32)), np.float32(1e-6))
        self.offsets: F32 = np.zeros((len(horizons_s), 0, 0, len(levels)), np.float32)
        self.seen: F32 = np.zeros((len(horizons_s), 0, 0), np.float32)

    def reindex(self, models: Sequence[int], predecessors: Sequence[int], symbols: Sequence[int]) -> None:
        """Move models and symbols to new positions, see `arrays.reindexed`; a new model gets its predecessor's offsets.

        Of its predecessor's outcomes at most the warm-up counts, so that its own outcomes soon move the offsets again.
        """
        self.offsets = reindexed(reindexed(self.offsets, 1, predecessors), 2, symbols)
        self.seen = reindexed(reindexed(self.seen, 1, predecessors), 2, symbols)
        new = np.flatnonzero(np.asarray(models) == ABSENT)
        self.seen[:, new] = np.minimum(self.seen[:, new], self._warm[:, None, None])

    def update(self, at: CellIndex, horizons: Ints, below: F32, issued: F32, scale: F32, settled: Bools) -> None:
        """Learn from outcomes: `below` and `issued` [H',M',S',Q], `scale` and `settled` [H',S'] of the cells `at`.

        `below` is 1 where the outcome fell below the issued quantile, ½ on it; `scale` is volatility·√horizon.
        """
        usable = (settled & (scale > 0))[:, None, :]
        step = self._step(self.seen[at], horizons)[..., None] * self._stretch(issued, scale)
        push = width_and_shift(step * (self._level - below))
        push *= ~self._pinned(issued, push)
        push *= usable[..., None]
        self.offsets[at] = np.clip(self.offsets[at] + push, -BOUND, BOUND)
        self.seen[at] += usable
        self._copy_shorter_horizon()

    def _copy_shorter_horizon(self) -> None:
        """Copy the offsets of the next shorter horizon to horizons with few outcomes of their own."""
        for h in range(1, len(self._horizon)):
            young = self.seen[h] < FOLLOW_HORIZONS * self._horizon[h]
            if young.any():
                self.offsets[h] = np.where(young[..., None], self.offsets[h - 1], self.offsets[h])

    def _step(self, seen: F32, horizons: Ints) -> F32:
        decayed = np.float32(FIRST_STEP) / (1 + seen / self._warm[horizons, None, None])
        step: F32 = (np.maximum(decayed, np.float32(STEP)) / self._horizon[horizons, None, None]).astype(np.float32)
        return step

    def _stretch(self, issued: F32, scale: F32) -> F32:
        """Return how many times the usual step each quantile takes: more, the further it lies from the median."""
        unit = np.where(scale > 0, scale, np.float32(np.inf))[:, None, :, None]
        width = np.abs(issued - issued[..., self._middle, None]) / unit
        stretch: F32 = np.clip(width / self._wide, np.float32(1), np.float32(WIDEST))
        return stretch

    def _pinned(self, issued: F32, push: F32) -> Bools:
        """Return where an update would cross the inner neighbour; true at the median, which never moves."""
        middle, touching = self._middle, np.diff(issued, axis=-1) <= 0
        out = np.zeros(issued.shape, np.bool_)
        out[..., :middle] = touching[..., :middle] & (push[..., :middle] > 0)
        out[..., middle + 1 :] = touching[..., middle:] & (push[..., middle + 1 :] < 0)
        out[..., middle] = True
        return out
