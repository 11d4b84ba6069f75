"""Which models run, and who serves next."""

import hashlib
import random

import msgspec
import pytest

from app.domain.forecast import LEVELS
from app.domain.promotion import decide, pooled
from app.domain.registry import Registry, is_expired, rejection_reasons
from app.records import ModelRelease, Role, Score

HORIZONS = [5, 10, 30, 60, 300]
WON = {f"{name}_{h}s": value for h in HORIZONS for name, value in (("skill", 0.02), ("p_value", 0.001))}


def release(name: str, role: Role = "challenger", created_ms: float = 0.0, **more: object) -> ModelRelease:
    """Return a release; `more` overrides its fields."""
    artifact = name.encode()
    plain = ModelRelease(
        id=name, kind="tensorflow", role=role, created_ms=created_ms, feature_schema="schema", horizons_s=HORIZONS,
        levels=list(LEVELS), sha256=hashlib.sha256(artifact).hexdigest(), artifact=artifact, metrics=dict(WON),
    )  # fmt: skip
    return msgspec.structs.replace(plain, **more)


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


def registry_of(*releases: ModelRelease) -> Registry:
    """Return a registry that took these records in this order."""
    registry = Registry()
    for record in releases:
        registry.update(record)
    return registry


def roles(registry: Registry) -> dict[str, str]:
    """Return who runs as what."""
    return {record.id: role for record, role in registry.to_run()}


def test_at_the_very_start_nobody_is_champion() -> None:
    """Naive serves then; a challenger runs from its first second."""
    registry = registry_of(release("cold-start"))
    assert registry.champion() is None
    assert roles(registry) == {"cold-start": "challenger"}


def test_a_new_champion_demotes_the_old_one() -> None:
    """The newest record that says champion serves; the one before runs on beside it."""
    registry = registry_of(release("a", "champion", 1), release("b", "champion", 2))
    assert roles(registry) == {"b": "champion", "a": "challenger"}


def test_a_rollback_is_the_older_release_once_more_as_champion() -> None:
    """Order of the records decides, not their age."""
    registry = registry_of(release("a", "champion", 1), release("b", "champion", 2), release("a", "champion", 1))
    assert roles(registry) == {"a": "champion", "b": "challenger"}


def test_a_demoted_champion_leaves_its_place_to_the_one_before() -> None:
    """And when that one is demoted too, naive serves again."""
    registry = registry_of(release("a", "champion"), release("b", "champion"), release("b"))
    assert registry.champion() == release("a", "champion")
    registry.update(release("a"))
    assert registry.champion() is None


def test_a_compacted_topic_tells_the_same_as_having_listened_all_the_time() -> None:
    """Only the newest record of each id is left, in its place; champion and line-up are the same."""
    shuffled = random.Random(5)
    for _ in range(200):
        said: list[Role] = [shuffled.choice(["champion", "challenger", "retired"]) for _ in range(9)]  # type: ignore[misc]
        log = [release(shuffled.choice("abcd"), role) for role in said]
        newest = {record.id: place for place, record in enumerate(log)}
        compacted = [record for place, record in enumerate(log) if newest[record.id] == place]
        assert roles(registry_of(*log)) == roles(registry_of(*compacted))


def test_two_models_run_at_most_the_champion_and_the_newest_challenger() -> None:
    """Older challengers wait; a retired or expired one is gone."""
    records = [release("old", "champion", 1), *(release(f"c{i}", created_ms=i) for i in range(4))]
    registry = registry_of(*records, release("c3", "retired"), release("c2", created_ms=9, expires_ms=50.0))
    assert [(record.id, role) for record, role in registry.to_run(now_ms=60.0)] == [
        ("old", "champion"), ("c1", "challenger"),
    ]  # fmt: skip
    assert [record.id for record, _ in registry.to_run(now_ms=40.0)] == ["old", "c2"]


def test_an_expired_champion_serves_on_and_is_known_to_be_expired() -> None:
    """Flagged, not dropped: naive is not better for being younger."""
    registry = registry_of(release("a", "champion", expires_ms=100.0))
    champion = registry.champion()
    assert champion is not None
    assert (is_expired(champion, 99.0), is_expired(champion, 101.0)) == (False, True)
    assert roles(registry) == {"a": "champion"}
    assert not is_expired(release("never"), 1e15)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"sha256": "0" * 64}, "sha256"),
        ({"feature_schema": "other"}, "features other"),
        ({"horizons_s": [5]}, "horizons"),
        ({"levels": [0.5]}, "levels"),
        ({"artifact": b"0" * (4 * 2**20 + 1)}, "at most"),
        ({"kind": "ridge"}, "only tensorflow"),
        ({"expires_ms": 1.0}, "expired"),
    ],
)
def test_a_release_that_does_not_fit_is_refused_with_the_reason(change: dict[str, object], reason: str) -> None:
    """One line names the release and what is wrong; a good one has none."""
    assert rejection_reasons(release("good"), "schema", HORIZONS, LEVELS, now_ms=2.0) == []
    lines = rejection_reasons(release("bad", **change), "schema", HORIZONS, LEVELS, now_ms=2.0)  # type: ignore[arg-type]
    assert any(reason in line and "bad" in line for line in lines)


def test_a_challenger_that_won_held_out_and_live_becomes_champion_and_the_old_one_steps_back() -> None:
    """First the new champion, then the old as challenger: never a moment without."""
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
    """Nobody is left who says champion, so naive serves."""
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
