"""Promotion and demotion of models: the releases with changed roles that follow from live scores.

A challenger must win twice: on held-out time (figures inside its release) and on live mids, where all models forecast
the same seconds. A champion that live outcomes prove worse than naive is demoted.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from app.domain.registry import Registry
from app.domain.scoring import ALL_SYMBOLS
from app.records import ModelRelease, Role, Score

LONGEST_HORIZON_S = 60  # beyond it there is too little evidence in an hour to decide by
MIN_OUTCOMES = 300
SIGNIFICANCE_LEVEL = 0.05


@dataclass(frozen=True)
class PooledScore:
    """One forecaster at one horizon, pooled over partitions."""

    n: int
    skill: float
    skill_high: float
    p_value: float


PooledScores = Mapping[str, Mapping[int, PooledScore]]  # model → horizon


def pooled(scores: Iterable[Score]) -> dict[str, dict[int, PooledScore]]:
    """Return model → horizon → score, pooled from each partition's mean over its symbols.

    Skills are weighted by outcomes, p-values combined by `cauchy`; with one partition they are that partition's own.
    """
    rows: dict[tuple[str, int], list[Score]] = {}
    for score in scores:
        if score.symbol == ALL_SYMBOLS:
            rows.setdefault((score.model, score.horizon_s), []).append(score)
    found: dict[str, dict[int, PooledScore]] = {}
    for (model, horizon), group in rows.items():
        found.setdefault(model, {})[horizon] = _pooled_score(group)
    return found


def _pooled_score(group: list[Score]) -> PooledScore:
    weight = [max(score.weight, 1e-9) for score in group]
    return PooledScore(
        n=sum(score.n for score in group),
        skill=float(np.average([score.skill for score in group], weights=weight)),
        skill_high=float(np.average([score.skill_high for score in group], weights=weight)),
        p_value=cauchy([score.p_value for score in group], weight),
    )


def cauchy(p_values: Sequence[float], weight: Sequence[float] | None = None) -> float:
    """Return one p-value for several, however much they depend on each other (Liu & Xie 2020).

    >>> round(cauchy([0.04]), 6)
    0.04
    """
    inside = np.clip(p_values, 1e-12, 1 - 1e-12)
    mean = np.average(np.tan((0.5 - inside) * np.pi), weights=weight)
    return float(0.5 - np.arctan(mean) / np.pi)


def decide(registry: Registry, scores: Iterable[Score]) -> list[ModelRelease]:
    """Return the releases to publish, in this order; empty: no role changes.

    The new champion comes first, the demoted one after it, so that there is always a champion.
    """
    live, champion = pooled(scores), registry.champion()
    if champion is not None and is_worse_than_naive(live.get(champion.id, {})):
        return [
            _with_role(release, "challenger") for release in registry.releases.values() if release.role == "champion"
        ]
    candidates = [release for release in registry.releases.values() if release.role == "challenger"]
    winners = [release for release in candidates if is_promotable(release, live, champion.id if champion else None)]
    if not winners:
        return []
    best = max(winners, key=lambda release: _mean_skill(live[release.id]))
    old = [_with_role(release, "challenger") for release in registry.releases.values() if release.role == "champion"]
    return [_with_role(best, "champion"), *old]


def is_promotable(release: ModelRelease, live: PooledScores, champion: str | None) -> bool:
    """Return whether a challenger beats naive on held-out time and live, and equals or beats champion and ridge live.

    Live: skill above 0 with p < 0.05 at most of the horizons up to a minute. Held-out, an hour at best: skill above 0
    at most of them, and p < 0.05 for all of them together.
    """
    own = live.get(release.id, {})
    horizons = [horizon for horizon in release.horizons_s if horizon <= LONGEST_HORIZON_S]
    if not horizons or release.metrics.get("suspicious", 0.0) > 0:
        return False
    wins_live = [horizon in own and _is_proven(own[horizon]) for horizon in horizons]
    rivals = [live[name] for name in (champion, "ridge") if name is not None and name in live]
    return (
        _wins_held_out(release, horizons)
        and _is_majority(wins_live)
        and all(_mean_skill(own) >= _mean_skill(rival) for rival in rivals)
    )


def is_worse_than_naive(own: Mapping[int, PooledScore]) -> bool:
    """Return whether the whole 95 % interval of the live skill is below zero at most horizons up to a minute."""
    short = [score for horizon, score in own.items() if horizon <= LONGEST_HORIZON_S]
    return _is_majority([score.n >= MIN_OUTCOMES and score.skill_high < 0 for score in short])


def _wins_held_out(release: ModelRelease, horizons: Sequence[int]) -> bool:
    skills = [release.metrics.get(f"skill_{horizon}s", -1.0) for horizon in horizons]
    p_values = [release.metrics.get(f"p_value_{horizon}s", 1.0) for horizon in horizons]
    return _is_majority([skill > 0 for skill in skills]) and cauchy(p_values) < SIGNIFICANCE_LEVEL


def _is_proven(score: PooledScore) -> bool:
    return score.n >= MIN_OUTCOMES and score.skill > 0 and score.p_value < SIGNIFICANCE_LEVEL


def _is_majority(answers: Sequence[bool]) -> bool:
    return sum(answers) * 2 > len(answers)


def _mean_skill(own: Mapping[int, PooledScore]) -> float:
    return float(np.mean([score.skill for horizon, score in own.items() if horizon <= LONGEST_HORIZON_S] or [0.0]))


def _with_role(release: ModelRelease, role: Role) -> ModelRelease:
    return msgspec.structs.replace(release, role=role)
