"""Who serves next. What enters: releases and live scores; what leaves: releases with new roles.

A challenger must win twice: on held-out time (figures inside its release) and on the live mids that everybody
forecast side by side. A champion that live outcomes prove worse than naive goes the other way.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from app.domain.registry import Registry
from app.records import ModelRelease, Role, Score

LONGEST_S = 60  # beyond it there is too little evidence in an hour to decide by
LEAST_OUTCOMES = 300
SIGNIFICANT = 0.05
ALL_SYMBOLS = "*"


@dataclass(frozen=True)
class PooledScore:
    """One forecaster at one horizon, pooled over partitions."""

    n: int
    skill: float
    skill_high: float
    p_value: float


PooledScores = Mapping[str, Mapping[int, PooledScore]]  # model → horizon


def pooled(scores: Iterable[Score]) -> dict[str, dict[int, PooledScore]]:
    """Return the standings out of the partitions' own means over their symbols.

    Skills are weighted by outcomes, p-values combined by `cauchy`; of one partition they are that partition's own.
    """
    rows: dict[tuple[str, int], list[Score]] = {}
    for score in scores:
        if score.symbol == ALL_SYMBOLS:
            rows.setdefault((score.model, score.horizon_s), []).append(score)
    standings: dict[str, dict[int, PooledScore]] = {}
    for (model, horizon), group in rows.items():
        standings.setdefault(model, {})[horizon] = _standing(group)
    return standings


def _standing(group: list[Score]) -> PooledScore:
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
    """Return the releases to publish, in this order; none: everything stays as it is.

    The new champion comes first, the demoted one after it, so that there is never a moment without.
    """
    live, champion = pooled(scores), registry.champion()
    if champion is not None and loses(live.get(champion.id, {})):
        return [_as(release, "challenger") for release in registry.releases.values() if release.role == "champion"]
    candidates = [release for release in registry.releases.values() if release.role == "challenger"]
    winners = [release for release in candidates if wins(release, live, champion.id if champion else None)]
    if not winners:
        return []
    best = max(winners, key=lambda release: _mean_skill(live[release.id]))
    old = [_as(release, "challenger") for release in registry.releases.values() if release.role == "champion"]
    return [_as(best, "champion"), *old]


def wins(release: ModelRelease, live: PooledScores, champion: str | None) -> bool:
    """Return whether a challenger beats naive on held-out time and live, and no rival is better live.

    Live: skill above 0 with p < 0.05 at most of the horizons up to a minute. Held-out, an hour at best: skill above 0
    at most of them, and p < 0.05 for all of them together. Rivals are the champion and ridge.
    """
    own = live.get(release.id, {})
    horizons = [horizon for horizon in release.horizons_s if horizon <= LONGEST_S]
    if not horizons or release.metrics.get("suspicious", 0.0) > 0:
        return False
    on_mids = [horizon in own and _proven(own[horizon]) for horizon in horizons]
    rivals = [live[name] for name in (champion, "ridge") if name is not None and name in live]
    return (
        _held_out(release, horizons)
        and _most(on_mids)
        and all(_mean_skill(own) >= _mean_skill(rival) for rival in rivals)
    )


def loses(own: Mapping[int, PooledScore]) -> bool:
    """Return whether the whole 95 % interval of the live skill is below zero at most horizons up to a minute."""
    short = [standing for horizon, standing in own.items() if horizon <= LONGEST_S]
    return _most([standing.n >= LEAST_OUTCOMES and standing.skill_high < 0 for standing in short])


def _held_out(release: ModelRelease, horizons: Sequence[int]) -> bool:
    skills = [release.metrics.get(f"skill_{horizon}s", -1.0) for horizon in horizons]
    p_values = [release.metrics.get(f"p_value_{horizon}s", 1.0) for horizon in horizons]
    return _most([skill > 0 for skill in skills]) and cauchy(p_values) < SIGNIFICANT


def _proven(standing: PooledScore) -> bool:
    return standing.n >= LEAST_OUTCOMES and standing.skill > 0 and standing.p_value < SIGNIFICANT


def _most(answers: Sequence[bool]) -> bool:
    return sum(answers) * 2 > len(answers)


def _mean_skill(own: Mapping[int, PooledScore]) -> float:
    return float(np.mean([standing.skill for horizon, standing in own.items() if horizon <= LONGEST_S] or [0.0]))


def _as(release: ModelRelease, role: Role) -> ModelRelease:
    return msgspec.structs.replace(release, role=role)
