"""Promotion: a challenger needs the whole proof, a champion steps down only when it is surely worse."""

import pytest

from app.domain.promotion import decide, pooled
from app.records import Score
from tests.domain.model_releases import HORIZONS, WON, registry_of, release


def score(model: str, horizon: int, skill: float, p_value: float, *, high: float = 1.0, n: int = 1000) -> Score:
    """Return a partition's mean score over its symbols."""
    return Score(
        symbol="*", model=model, kind="tensorflow", role="challenger", horizon_s=horizon, n=n, weight=float(n), mae=0.0,
        rmse=0.0, pinball=0.0, skill=skill, skill_low=-1.0, skill_high=high, p_value=p_value, r2=0.0, direction=0.5,
        coverage={}, pit=[],
    )  # fmt: skip


def live(model: str, skill: float, p_value: float, **more: float) -> list[Score]:
    """Return the same score at every horizon."""
    return [score(model, horizon, skill, p_value, **more) for horizon in HORIZONS]  # type: ignore[arg-type]


def test_a_challenger_that_won_held_out_and_live_becomes_champion_and_the_old_one_steps_back() -> None:
    """First the new champion, then the old as challenger: there is always one."""
    registry = registry_of(release("old", "champion"), release("new"))
    published = decide(registry, live("new", 0.03, 0.01) + live("old", 0.01, 0.01))
    assert [(record.id, record.role) for record in published] == [("new", "champion"), ("old", "challenger")]


@pytest.mark.parametrize(
    ("scores", "metrics"),
    [
        (live("new", 0.03, 0.2), WON),
        (live("new", -0.03, 0.01), WON),
        (live("new", 0.03, 0.01, n=100), WON),
        (live("new", 0.03, 0.01) + live("ridge", 0.04, 0.01), WON),
        (live("new", 0.03, 0.01) + live("old", 0.04, 0.01), WON),
        ([score("new", 300, 0.5, 0.001)], WON),
        ([], WON),
        (live("new", 0.03, 0.01), {}),
        (live("new", 0.03, 0.01), {**WON, "suspicious": 1.0}),
        (live("new", 0.03, 0.01), {name: -value for name, value in WON.items()}),
    ],
    ids=[
        "luck", "worse", "too early", "ridge is better", "the champion is better", "only far ahead", "unknown",
        "no held-out figures", "suspected leak", "lost on held-out time",
    ],
)  # fmt: skip
def test_a_challenger_without_the_whole_proof_stays_one(scores: list[Score], metrics: dict[str, float]) -> None:
    """Every condition alone is enough to wait."""
    registry = registry_of(release("old", "champion"), release("new", metrics=metrics))
    assert decide(registry, scores) == []


def test_a_champion_that_is_surely_worse_than_naive_steps_down_with_those_before_it() -> None:
    """No champion is left, so naive serves."""
    registry = registry_of(release("older", "champion"), release("worse", "champion"))
    published = decide(registry, live("worse", -0.05, 1.0, high=-0.01))
    assert {(record.id, record.role) for record in published} == {("older", "challenger"), ("worse", "challenger")}
    for record in published:
        registry.update(record)
    assert registry.champion() is None


def test_a_champion_that_may_only_be_unlucky_stays() -> None:
    """Its interval still reaches above zero."""
    registry = registry_of(release("a", "champion"))
    assert decide(registry, live("a", -0.05, 0.9, high=0.01)) == []


def test_scores_of_partitions_are_pooled_by_weight_and_a_single_one_stands_as_it_is() -> None:
    """Two partitions that are both lucky do not become proof."""
    alone = pooled([score("m", 5, 0.02, 0.04)])["m"][5]
    assert [alone.n, alone.skill, alone.p_value] == pytest.approx([1000, 0.02, 0.04])
    both = pooled([score("m", 5, 0.02, 0.04), score("m", 5, 0.00, 0.5, n=3000)])["m"][5]
    assert [both.n, both.skill] == pytest.approx([4000, 0.005])
    assert 0.04 < both.p_value < 0.5
