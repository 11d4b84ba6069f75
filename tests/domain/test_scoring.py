"""Running scores: figures worked out by hand."""

import numpy as np
import pytest

from app.domain.arrays import ABSENT, F32
from app.domain.scoring import ALL_SYMBOLS, Outcomes, RunningScores
from app.records import Kind, Role, Score

LEVELS = (0.25, 0.5, 0.75)
EVERYTHING = (slice(None), slice(None), slice(None))


def scored(rows: list[tuple[float, float]], naive: int = 0, halflife_s: float = 1e9) -> list[Score]:
    """Return the scores after outcomes (realised A, realised B) of a naive model and one that is 1 higher."""
    scoring = RunningScores((1,), LEVELS, halflife_s)
    scoring.reindex([ABSENT, ABSENT], [ABSENT, ABSENT])
    mean = np.broadcast_to(np.array([0, 1], np.float32)[None, :, None], (1, 2, 2))
    quantiles = mean[..., None] + np.array([-1, 0, 1], np.float32)
    for row in rows:
        realised: F32 = np.array([row], np.float32)
        outcomes = Outcomes(mean, quantiles, np.nan_to_num(realised), np.isfinite(realised), naive)
        scoring.update(EVERYTHING, outcomes, outcomes.below())
    models: list[tuple[str, Kind, Role]] = [("naive", "naive", "baseline"), ("ridge-1", "ridge", "champion")]
    return scoring.rows(EVERYTHING, np.zeros(1, np.int64), models, [ALL_SYMBOLS, "A", "B"])


def test_scores_are_what_a_hand_computes() -> None:
    """Outcomes 2 and −1 of symbol A: every field of both forecasters, worked out on paper."""
    naive, ridge = (score for score in scored([(2.0, np.nan), (-1.0, np.nan)]) if score.symbol == "A")
    assert (naive.n, ridge.n, ridge.weight) == pytest.approx((2, 2, 2))
    assert (naive.mae, ridge.mae) == (1.5, 1.5)  # |2|, |−1| and |2−1|, |−1−1|
    assert (naive.rmse, ridge.rmse) == pytest.approx((2.5**0.5, 2.5**0.5))
    # naive, quantiles −1 0 1: outcome 2 → .75, 1, .75; −1 → 0, .5, .5. ridge, 0 1 2: .5, .5, 0; then .75, 1, .75
    assert naive.pinball == pytest.approx((2.5 + 1.0) / 6)
    assert ridge.pinball == pytest.approx((1.0 + 2.5) / 6)
    assert (ridge.skill, ridge.r2, ridge.p_value) == pytest.approx((0, 0, 1), abs=1e-6)
    assert (ridge.skill_low, ridge.skill_high) == (-1.0, 1.0)
    assert (naive.direction, ridge.direction) == (
        0.5,
        0.5,
    )  # naive: no move; ridge: up twice, once rightly
    assert naive.coverage == {"0.5": 0.5}  # 2 is outside; −1 lies on the edge, inside
    assert naive.pit == [0.25, 0.25, 0.0, 0.5]  # −1 on the lowest quantile counts half below, half above


def test_the_pseudo_symbol_is_the_mean_over_the_symbols_settled() -> None:
    """A second with A at 2 and B at 4 counts once, with error 3; B unpriced in the next leaves A alone."""
    naive = next(score for score in scored([(2.0, 4.0), (1.0, np.nan)]) if score.symbol == ALL_SYMBOLS)
    assert (naive.n, naive.mae) == pytest.approx((2, 2.0))
    assert next(score for score in scored([(2.0, 4.0), (1.0, np.nan)]) if score.symbol == "B").n == 1


def test_a_second_without_any_outcome_changes_nothing() -> None:
    """Neither symbols nor the pseudo-symbol count it."""
    assert scored([(1.0, 2.0)]) == scored([(1.0, 2.0), (np.nan, np.nan)])


def test_without_a_naive_forecast_no_skill_is_claimed() -> None:
    """A forecaster without naive has skill 0 and p = 1."""
    ridge = next(score for score in scored([(2.0, 2.0)] * 400, naive=ABSENT) if score.model == "ridge-1")
    assert (ridge.skill, ridge.p_value) == (0.0, 1.0)


def test_older_outcomes_are_forgotten_by_half_after_the_half_life() -> None:
    """Half-life of one outcome: errors 4, then 1 weigh 1 : 2."""
    naive = next(score for score in scored([(4.0, 0.0), (1.0, 0.0)], halflife_s=1.0) if score.symbol == "A")
    assert (naive.weight, naive.mae) == pytest.approx((1.5, (0.5 * 4 + 1) / 1.5))
