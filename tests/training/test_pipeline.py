"""The training pipeline: on a market that is predictable in part, on one that is not, and on too little history."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from app.domain.symbol_series import SymbolSeries, examples_of
from app.emulator.synthetic import synthetic
from app.training.cold_start import START_S, synthetic_series
from app.training.pipeline import TrainingError, TrainingPlan, TrainingResult, prepare, train
from tests.training.conftest import HORIZONS, HOURS, PLAN


@pytest.mark.slow
def test_most_of_what_an_oracle_knows_is_recovered(predictable: tuple[list[SymbolSeries], TrainingResult]) -> None:
    """At 5 and 10 s the model explains more than half of what can be known, and significantly."""
    history, trained = predictable
    test = prepare(history, PLAN)[3]
    for h, horizon in enumerate(HORIZONS[:2]):
        evaluation = trained.evaluations["tensorflow"][h]
        best = _oracle_r2(history, test, h, horizon)
        assert evaluation.r2 > 0.5 * best > 0.005
        assert evaluation.skill > 0
        assert evaluation.p_value < 0.01
    assert not any(evaluation.is_suspicious for evaluation in trained.evaluations["tensorflow"])


def _oracle_r2(history: list[SymbolSeries], test: Any, h: int, horizon: int) -> float:
    source = synthetic(7, ("BTCUSDT", "ETHUSDT"))
    scale = test.volatility * horizon**0.5
    expected = np.zeros(len(test))
    for number, series in enumerate(history):
        mine = test.symbol == number
        expected[mine] = source.oracle(series.symbol, test.second[mine] + 1, horizon)
    seen = test.mask[:, h]
    moved = test.z[:, h] * scale
    return float(1 - ((moved - expected)[seen] ** 2).sum() / (moved[seen] ** 2).sum())


@pytest.mark.slow
def test_on_a_martingale_no_skill_in_direction_is_found() -> None:
    """The same market with its signal switched off: no significant skill at any horizon, and hardly any line."""
    history = [synthetic_series(8, "BTCUSDT", START_S, HOURS * 3600, martingale=True)]
    trained = train(history, PLAN)
    for evaluation in trained.evaluations["tensorflow"]:
        assert evaluation.p_value > 0.01
        assert evaluation.r2 < 0.005


@pytest.mark.slow
def test_the_blocks_of_a_training_do_not_know_of_each_other(
    predictable: tuple[list[SymbolSeries], TrainingResult],
) -> None:
    """No outcome of a block ends within the window of any row of the next one."""
    blocks = prepare(predictable[0], PLAN)[1:]
    for block, following in pairwise(blocks):
        touched = np.where(block.mask, block.second[:, None] + np.asarray(HORIZONS), 0).max()
        assert touched < following.second.min() - 300


def test_a_history_too_short_is_refused_with_what_is_missing() -> None:
    """The message names how much there is and what is needed."""
    short = synthetic_series(7, "BTCUSDT", START_S, 600)
    with pytest.raises(TrainingError, match="too short"):
        train([short], PLAN)
    barely = synthetic_series(7, "BTCUSDT", START_S, 700)
    with pytest.raises(TrainingError, match="wait for more"):
        train([barely], PLAN)


def test_half_an_hour_is_enough_to_begin_with() -> None:
    """A replay that has no earlier history trains after thirty minutes; the longest horizon claims nothing."""
    trained = train([synthetic_series(7, "BTCUSDT", START_S, 1800)], TrainingPlan(HORIZONS, epochs=1))
    assert trained.evaluations["tensorflow"][-1].p_value == 1.0


def test_a_gap_in_the_history_leaves_no_example_across_it() -> None:
    """Seconds that never came void the outcomes that would reach over them."""
    series = synthetic_series(7, "BTCUSDT", START_S, 1200)
    series.present[800:810] = False
    rows = examples_of(series, 0, (60,))
    reach = rows.second - START_S
    assert not ((reach < 800) & (reach + 60 >= 800)).any()
