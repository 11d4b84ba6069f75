"""Significance of skill: the size and power of the test, and the coverage of its intervals."""

import numpy as np
import pytest

from app.domain.arrays import ABSENT, F64
from app.domain.significance import BlockMeans

EVERYTHING = (slice(None), slice(None), slice(None))


def overlapping(noise: F64, horizon: int) -> F64:
    """Return h-second sums of one-second steps [T,R], one ending every second."""
    total = np.cumsum(noise, axis=0)
    return total[horizon:] - total[:-horizon]


def evaluations(gain: F64, naive: F64, horizon: int) -> tuple[F64, F64]:
    """Return p-values and half widths after feeding differentials [T,R] second by second."""
    blocks = BlockMeans((horizon,), 3600.0)
    blocks.reindex([ABSENT], [ABSENT] * gain.shape[1])
    compared = np.ones((1, 1, gain.shape[1]), np.bool_)
    for second, (row, base) in enumerate(zip(gain.astype(np.float32), naive.astype(np.float32), strict=True)):
        blocks.close(second)
        blocks.update(EVERYTHING, row[None, None], base[None, None], compared)
    chance, half = blocks.significance(EVERYTHING, np.zeros(1, np.int64))
    return chance.ravel(), half.ravel()


def duel(horizon: int, signal: float) -> tuple[F64, F64, F64]:
    """Return p-values, half widths and true skill of a forecaster that sees a share `signal` of the outcome's variance.

    Both forecasters err by as much noise, so without signal neither is better. Loss: absolute error.
    """
    rng = np.random.default_rng(11)
    shape = (6000, 400)
    known, unknown, mine, theirs = (overlapping(rng.standard_normal(shape), horizon) for _ in range(4))
    outcome = np.sqrt(signal) * known + np.sqrt(1 - signal) * unknown
    model, naive = np.sqrt(signal) * known + 0.3 * mine, 0.3 * theirs
    loss, base = np.abs(outcome - model), np.abs(outcome - naive)
    return *evaluations(base - loss, base, horizon), 1 - loss.mean() / base.mean()


@pytest.mark.parametrize("horizon", [5, 60, 300])
def test_without_skill_the_test_is_wrong_in_at_most_seven_of_a_hundred(horizon: int) -> None:
    """Two equally noisy forecasters of a martingale, overlapping outcomes: p < 0.05 in 7 % of 400 at most."""
    chance, _, _ = duel(horizon, 0.0)
    assert np.mean(chance < 0.05) <= 0.07


@pytest.mark.parametrize(("horizon", "signal"), [(5, 0.1), (60, 0.4)])
def test_skill_is_found(horizon: int, signal: float) -> None:
    """A forecaster that sees part of the outcome is found to have skill in at least eight of ten samples."""
    chance, half, skill = duel(horizon, signal)
    assert np.mean(chance < 0.05) > 0.8
    assert 0 < np.median(half) < 2 * skill


def test_intervals_hold_the_true_skill_in_nineteen_of_twenty_samples() -> None:
    """The delta method's interval around the measured ratio, 30 s horizon: it misses in 8 % at most."""
    rng = np.random.default_rng(5)
    mine, theirs, outcome = (overlapping(rng.standard_normal((6000, 400)), 30) for _ in range(3))
    loss, naive = np.abs(outcome - 0.3 * mine), np.abs(outcome - 0.5 * theirs)
    _, half = evaluations(naive - loss, naive, 30)
    weight = 0.5 ** (np.arange(len(loss))[::-1] / 3600)[:, None]
    skill = 1 - (weight * loss).sum(axis=0) / (weight * naive).sum(axis=0)
    assert np.mean(np.abs(skill - (1 - np.sqrt(1.09 / 1.25))) > half) <= 0.08


def test_nothing_is_claimed_before_five_blocks() -> None:
    """Blocks of 30 s, each forgetting a little: after four p is 1 and there is no interval, after seven there is."""
    gain = np.ones((240, 1)) + np.random.default_rng(0).standard_normal((240, 1)) * 0.01
    early, late = evaluations(gain[:140], gain[:140], 5), evaluations(gain, gain, 5)
    assert early[0].tolist() == [1.0]
    assert np.isnan(early[1]).all()
    assert late[0][0] < 1e-6


def test_naive_is_neither_better_nor_worse_than_itself() -> None:
    """Its skill is 0 with an interval of no width once there are five blocks, and p stays 1."""
    blocks = evaluations(np.zeros((300, 1)), np.ones((300, 1)), 5)
    assert (blocks[0].tolist(), blocks[1].tolist()) == ([1.0], [0.0])
