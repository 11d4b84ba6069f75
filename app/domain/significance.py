"""Significance of the skill of running forecasts: p-values and confidence intervals from block means of losses.

Diebold & Mariano 1995 test the mean of the loss differential against its long-run variance. Here that variance comes
from batch means, which need a handful of sums whatever the horizon: differentials are averaged over blocks of
max(30, 2·horizon) seconds, so that block means hardly depend on one another, and the block means, older ones forgotten
exponentially, pass a Student-t test (Ibragimov & Müller 2010, "t-statistic based correlation and heterogeneity robust
inference"). Outcomes of horizon h overlap, so neighbouring blocks are still slightly correlated: see `_inflation`.
"""

from collections.abc import Sequence

import numpy as np
from scipy.special import stdtr, stdtrit

from app.domain.arrays import F32, F64, Bools, CellIndex, Ints, reindexed

MIN_BLOCKS = 5.0  # effective number; with fewer there is no result: p = 1 and an interval of [−1, 1]
CONFIDENCE = 0.975  # two-sided 95 %

COUNT, GAIN, NAIVE = range(3)  # of an open block: outcomes, Σ(naive − model), Σ naive
W, W2, D, D2, N, N2, DN = range(7)  # of closed ones: Σw, Σw², Σwd, Σwd², Σwn, Σwn², Σwdn


class BlockMeans:
    """Block means of loss differentials, float32: `open` [H,M,R,3], `closed` [H,M,R,7], `current` block number [H]."""

    def __init__(self, horizons_s: Sequence[int], halflife_s: float) -> None:
        self._length = np.asarray([max(30, 2 * horizon) for horizon in horizons_s], np.int64)
        self._inflation = _inflation(np.asarray(horizons_s, np.float64), self._length)
        self._keep = np.power(0.5, self._length / halflife_s).astype(np.float32)
        self.open: F32 = np.zeros((len(horizons_s), 0, 0, 3), np.float32)
        self.closed: F32 = np.zeros((len(horizons_s), 0, 0, 7), np.float32)
        self.current: Ints = np.zeros(len(horizons_s), np.int64)

    def reindex(self, models: Sequence[int], rows: Sequence[int]) -> None:
        """Move models and rows to new positions, see `arrays.reindexed`."""
        self.open = reindexed(reindexed(self.open, 1, models), 2, rows)
        self.closed = reindexed(reindexed(self.closed, 1, models), 2, rows)

    def close(self, second: int) -> None:
        """Close the blocks that ended before `second`. Blocks lie on multiples of their length since the epoch."""
        now = second // self._length
        for horizon in np.flatnonzero(now != self.current):
            self._close(int(horizon))
        self.current = now

    def _close(self, h: int) -> None:
        count = self.open[h, ..., COUNT]
        full = count * 2 >= self._length[h]  # a block that is mostly missing does not count
        gain, naive = (self.open[h, ..., part] / np.maximum(count, 1) for part in (GAIN, NAIVE))
        one, keep = np.ones_like(gain), self._keep[h]
        kept = self.closed[h] * np.array([keep, keep * keep, *[keep] * 5], np.float32)
        kept += np.stack([one, one, gain, gain * gain, naive, naive * naive, gain * naive], axis=-1)
        self.closed[h] = np.where(full[..., None], kept, self.closed[h])
        self.open[h] = 0

    def update(self, at: CellIndex, gain: F32, naive: F32, compared: Bools) -> None:
        """Add one second's differentials naive − model and naive losses, [H',M',R'] in the cells `at`."""
        added = np.stack([np.ones_like(gain), gain, np.broadcast_to(naive, gain.shape)], axis=-1)
        self.open[at] += added * compared[..., None]

    def significance(self, at: CellIndex, horizons: Ints) -> tuple[F64, F64]:
        """Return (p-value, half width of the 95 % interval of the skill) of the cells `at`, each [H',M',R'].

        One-sided: the probability of gains as large if the forecaster were no better than naive. The interval is
        the delta method's for the ratio of mean gain and mean naive loss. NaN half width: too few blocks.
        """
        sums = np.moveaxis(self.closed[at].astype(np.float64), -1, 0)
        weight = np.maximum(sums[W], 1e-12)
        blocks = weight**2 / np.maximum(sums[W2], 1e-12)
        enough, degrees = blocks >= MIN_BLOCKS, np.maximum(blocks, 2.0) - 1.0
        gain, gain2, naive, naive2, cross = sums[D:] / weight
        spread = (self._inflation[horizons, None, None] / degrees) ** 0.5
        error = np.sqrt(np.maximum(gain2 - gain**2, 0)) * spread
        skill = np.divide(gain, naive, out=np.zeros_like(gain), where=naive > 0)
        residual = np.sqrt(np.maximum(gain2 - 2 * skill * cross + skill**2 * naive2, 0)) * spread
        half = np.divide(residual, naive, out=np.zeros_like(gain), where=naive > 0) * stdtrit(degrees, CONFIDENCE)
        t = np.divide(gain, error, out=np.zeros_like(gain), where=error > 0)
        chance = np.where(error > 0, stdtr(degrees, -t), 1.0)
        return np.where(enough, chance, 1.0), np.where(enough, half, np.nan)


def _inflation(horizon: F64, length: Ints) -> F64:
    """Return 1 + 2ρ, with which overlap between neighbouring blocks inflates the variance of their mean.

    Sums of h-second returns taken every second have autocovariance 1 − k/h at lag k. A block of L outcomes then has
    variance L·h − h²/3 and covariance h²/6 with the next.
    """
    overlap: F64 = (horizon**2 / 6) / (length * horizon - horizon**2 / 3)
    return 1 + 2 * overlap
