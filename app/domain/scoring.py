"""Running scores of every forecaster, symbol and horizon, older outcomes forgotten exponentially.

Row 0 of every array is the pseudo-symbol "*": the mean loss over the symbols settled in a second, so that its test
accounts for symbols that move together.

Losses: absolute and squared error of the mean; pinball loss (Koenker & Bassett 1978), averaged over the levels; the
share of outcomes below each quantile, an outcome on a quantile counting half (PIT, Diebold, Gunther & Tay 1998); the
share inside each central interval, its ends included. Where there is nothing to compare yet: skill and R² 0 without a
naive loss, direction ½ without a move, p = 1 and an interval of [−1, 1] with too few blocks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.domain.arrays import ABSENT, F32, F64, Bools, CellIndex, Ints, reindexed
from app.domain.significance import BlockMeans
from app.records import Kind, Role, Score

ALL_SYMBOLS = "*"
MAX_SCORED_SYMBOLS = 20  # symbols whose scores are published per second and partition

WEIGHT, ABSOLUTE, SQUARED, PINBALL, NAIVE_SQUARED, NAIVE_PINBALL, HITS, MOVES, BELOW = range(9)


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Forecasts and their outcomes, H' horizons × M' models × S' symbols, for one set of symbols and models."""

    mean: F32  # [H',M',S'] log return
    quantiles: F32  # [H',M',S',Q] log return
    realised: F32  # [H',S'] log return, 0 where not settled
    settled: Bools  # [H',S']
    naive: int  # position of the naive model among M', ABSENT if there is none

    def below(self) -> F32:
        """Return 1 where the outcome fell below the quantile, ½ on it, 0 above: [H',M',S',Q]."""
        outcome = self.realised[:, None, :, None]
        below: F32 = ((outcome < self.quantiles).astype(np.float32) + (outcome <= self.quantiles)) / np.float32(2)
        return below


def losses(outcomes: Outcomes, below: F32, levels: F32) -> F32:
    """Return [H',M',1+S',K]: the columns WEIGHT … MOVES, then below each level, then inside each central interval."""
    realised = outcomes.realised[:, None, :]
    width, pairs = len(levels), len(levels) // 2
    horizons, models, symbols = outcomes.mean.shape
    out = np.empty((horizons, models, 1 + symbols, BELOW + width + pairs), np.float32)
    each = out[:, :, 1:]
    error = realised - outcomes.mean
    each[..., WEIGHT] = 1
    each[..., ABSOLUTE], each[..., SQUARED] = np.abs(error), error * error
    each[..., PINBALL] = ((realised[..., None] - outcomes.quantiles) * (levels - below)).mean(axis=-1)
    naive = slice(None) if outcomes.naive == ABSENT else slice(outcomes.naive, outcomes.naive + 1)
    each[..., [NAIVE_SQUARED, NAIVE_PINBALL]] = each[:, naive][..., [SQUARED, PINBALL]]
    sign = np.sign(realised) * np.sign(outcomes.mean)
    each[..., HITS], each[..., MOVES] = sign > 0, sign != 0
    each[..., BELOW : BELOW + width] = below
    each[..., BELOW + width :] = _inside(below, pairs)
    shares = outcomes.settled / np.maximum(outcomes.settled.sum(axis=1, keepdims=True), 1).astype(np.float32)
    out[:, :, 0] = (each * shares[:, None, :, None]).sum(axis=2)
    return out


def _inside(below: F32, pairs: int) -> Bools:
    inside: Bools = (below[..., :pairs] < 1) & (below[..., : -pairs - 1 : -1] > 0)
    return inside


class RunningScores:
    """The running sums, float32 [H,M,R,K], and counts [H,M,R]; R is "*" and the symbols."""

    def __init__(self, horizons_s: Sequence[int], levels: Sequence[float], halflife_s: float) -> None:
        self._horizons_s = tuple(horizons_s)
        self._level = np.asarray(levels, np.float32)
        pairs = len(levels) // 2
        self._widths = [f"{levels[-1 - pair] - levels[pair]:g}" for pair in range(pairs)]
        self._keep = np.float32(0.5 ** (1.0 / halflife_s))
        self.sums: F32 = np.zeros((len(horizons_s), 0, 1, BELOW + len(levels) + pairs), np.float32)
        self.counts: Ints = np.zeros((len(horizons_s), 0, 1), np.int64)
        self.blocks = BlockMeans(horizons_s, halflife_s)
        self.blocks.reindex([], [ABSENT])

    def reindex(self, models: Sequence[int], symbols: Sequence[int]) -> None:
        """Move models and symbols to new positions, see `arrays.reindexed`."""
        rows = [0, *(ABSENT if position == ABSENT else position + 1 for position in symbols)]
        self.sums = reindexed(reindexed(self.sums, 1, models), 2, rows)
        self.counts = reindexed(reindexed(self.counts, 1, models), 2, rows)
        self.blocks.reindex(models, rows)

    def update(self, at: CellIndex, outcomes: Outcomes, below: F32) -> None:
        """Add one second's outcomes to the cells `at` [H',M',1+S']."""
        added = losses(outcomes, below, self._level)
        settled = np.concatenate([outcomes.settled.any(axis=1, keepdims=True), outcomes.settled], axis=1)[:, None, :]
        old = self.sums[at]
        self.sums[at] = np.where(settled[..., None], old * self._keep + added, old)
        self.counts[at] += settled
        naive = added[..., NAIVE_PINBALL]
        self.blocks.update(at, naive - added[..., PINBALL], naive, settled & (outcomes.naive != ABSENT))

    def rows(
        self, at: CellIndex, horizons: Ints, models: Sequence[tuple[str, Kind, Role]], symbols: Sequence[str]
    ) -> list[Score]:
        """Return the scores of the cells `at` [H,M',R'] that have any outcome; `symbols` names the rows R'."""
        columns = _columns(self.sums[at].astype(np.float64), len(self._level))
        columns["p_value"], half = self.blocks.significance(at, horizons)
        columns |= _interval(columns["skill"], half)
        values = [part.reshape(-1, *part.shape[3:]).tolist() for part in columns.values()]
        counts = self.counts[at].ravel().tolist()
        keys = ((h, *model, symbol) for h in self._horizons_s for model in models for symbol in symbols)
        return [
            self._score(key, n, dict(zip(columns, row, strict=True)))
            for key, n, *row in zip(keys, counts, *values, strict=True)
            if n
        ]

    def _score(self, key: tuple[int, str, Kind, Role, str], n: int, values: dict[str, Any]) -> Score:
        horizon_s, model, kind, role, symbol = key
        values["coverage"] = dict(zip(self._widths, values["coverage"], strict=True))
        return Score(symbol=symbol, model=model, kind=kind, role=role, horizon_s=horizon_s, n=n, **values)


def _columns(sums: F64, width: int) -> dict[str, F64]:
    """Return the fields of Score that are ratios of running sums [H,M,R,K]."""
    weight = sums[..., WEIGHT]
    mean = sums / np.maximum(weight, 1e-12)[..., None]
    below = mean[..., BELOW : BELOW + width]
    moves = mean[..., MOVES]
    return {
        "weight": weight,
        "mae": mean[..., ABSOLUTE],
        "rmse": np.sqrt(mean[..., SQUARED]),
        "pinball": mean[..., PINBALL],
        "skill": _skill(mean[..., PINBALL], mean[..., NAIVE_PINBALL]),
        "r2": _skill(mean[..., SQUARED], mean[..., NAIVE_SQUARED]),
        "direction": np.divide(mean[..., HITS], moves, out=np.full_like(moves, 0.5), where=moves > 0),
        "coverage": mean[..., BELOW + width :],
        "pit": np.diff(below, axis=-1, prepend=0.0, append=1.0),
    }


def _skill(loss: F64, naive: F64) -> F64:
    """Return the skill 1 − loss ÷ naive loss, 0 where naive has no loss."""
    return 1 - np.divide(loss, naive, out=np.ones_like(loss), where=naive > 0)


def _interval(skill: F64, half: F64) -> dict[str, F64]:
    """Return the 95 % interval around the skill: as wide as its bounds where there is not enough yet (half is NaN)."""
    known = np.isfinite(half)
    low = np.where(known, skill - np.where(known, half, 0), np.minimum(skill, -1.0))
    return {"skill_low": low, "skill_high": np.where(known, np.minimum(skill + np.where(known, half, 0), 1.0), 1.0)}
