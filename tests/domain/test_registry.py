"""The registry: which models run, in which role, and which releases are rejected."""

import random

import pytest

from app.domain.forecast import LEVELS
from app.domain.registry import Registry, is_expired, rejection_reasons
from app.records import Role
from tests.domain.model_releases import HORIZONS, registry_of, release


def roles(registry: Registry) -> dict[str, str]:
    """Return the role of each running release."""
    return {record.id: role for record, role in registry.to_run()}


def test_at_the_very_start_there_is_no_champion() -> None:
    """Naive serves then; a challenger runs from its first second."""
    registry = registry_of(release("cold-start"))
    assert registry.champion() is None
    assert roles(registry) == {"cold-start": "challenger"}


def test_a_new_champion_demotes_the_old_one() -> None:
    """The newest record with the role champion serves; the one before runs on as challenger."""
    registry = registry_of(release("a", "champion", 1), release("b", "champion", 2))
    assert roles(registry) == {"b": "champion", "a": "challenger"}


def test_a_rollback_is_the_older_release_once_more_as_champion() -> None:
    """Order of the records decides, not their age."""
    registry = registry_of(release("a", "champion", 1), release("b", "champion", 2), release("a", "champion", 1))
    assert roles(registry) == {"a": "champion", "b": "challenger"}


def test_a_demoted_champion_is_followed_by_the_one_before() -> None:
    """And when that one is demoted too, naive serves again."""
    registry = registry_of(release("a", "champion"), release("b", "champion"), release("b"))
    assert registry.champion() == release("a", "champion")
    registry.update(release("a"))
    assert registry.champion() is None


def test_a_compacted_topic_gives_the_same_registry_as_all_its_records() -> None:
    """Only the newest record of each id is left, in order; champion and lineup are the same."""
    shuffled = random.Random(5)
    for _ in range(200):
        roles_in_order: list[Role] = [shuffled.choice(["champion", "challenger", "retired"]) for _ in range(9)]  # type: ignore[misc]
        log = [release(shuffled.choice("abcd"), role) for role in roles_in_order]
        newest = {record.id: offset for offset, record in enumerate(log)}
        compacted = [record for offset, record in enumerate(log) if newest[record.id] == offset]
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
