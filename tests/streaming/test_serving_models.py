"""Who forecasts, as releases come and go; compiling is replaced by a stand-in."""

import hashlib
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest

from app.domain import features
from app.domain.artifact import ArtifactError
from app.domain.forecast import LEVELS
from app.records import ModelRelease, Role
from app.settings import Settings
from app.streaming import serving_models
from app.streaming.admission import PROGRESS
from app.streaming.serving_models import ServingModels

SETTINGS = Settings()
HORIZONS = list(SETTINGS.horizons_s)


def _release(name: str, role: Role = "challenger", created_ms: float = 1.0, **more: Any) -> ModelRelease:
    artifact = name.encode()
    return ModelRelease(
        id=name, kind="tensorflow", role=role, created_ms=created_ms, feature_schema=features.SCHEMA,
        horizons_s=HORIZONS, levels=list(LEVELS), sha256=hashlib.sha256(artifact).hexdigest(),
        **{"artifact": artifact, **more},
    )  # fmt: skip


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names of what was compiled, in order; `bad` cannot be, `broken` fails inside TensorFlow."""
    names: list[str] = []

    def compile_release(artifact: bytes, _buckets: object) -> Any:
        names.append(artifact.decode())
        if names[-1] == "bad":
            raise ArtifactError("bad weights")
        if names[-1] == "broken":
            raise RuntimeError("XLA said no")
        return SimpleNamespace(parameters=None, compiled_sizes=set(), missing_sizes=set())

    monkeypatch.setattr(serving_models, "compile_release", compile_release)
    monkeypatch.setattr(ServingModels, "_update_baselines", lambda *_: None)
    return names


async def _taken(made: ServingModels, *releases: ModelRelease) -> list[str]:
    for release in releases:
        assert made._update(msgspec.json.encode(release))
    await made._swap()
    return [f"{entry.id} {entry.role}" for entry in made.lineup(1_750_000_000).entries]


async def test_without_a_champion_naive_serves_and_says_so(compiled: list[str]) -> None:
    """The fallback is flagged; a challenger runs beside it."""
    made = ServingModels(SETTINGS)
    assert await _taken(made, _release("one")) == ["naive champion", "one challenger"]
    assert made.lineup(1_750_000_000).flags == ("fallback",)


async def test_a_champion_is_swapped_in_and_compiled_once(compiled: list[str]) -> None:
    """A change of role compiles nothing."""
    made = ServingModels(SETTINGS)
    await _taken(made, _release("one"))
    assert await _taken(made, _release("one", "champion")) == ["one champion", "naive baseline"]
    assert compiled == ["one"]


async def test_a_release_that_cannot_run_is_refused_and_the_next_one_taken(compiled: list[str]) -> None:
    """Neither a bad artifact nor an error inside TensorFlow ends the following of releases."""
    made = ServingModels(SETTINGS)
    releases = [_release("good"), _release("bad", created_ms=2.0), _release("broken", "champion", created_ms=3.0)]
    assert await _taken(made, *releases) == ["naive champion", "good challenger"]
    await _taken(made, _release("good"))
    assert compiled == ["broken", "bad", "good"]


async def test_models_that_no_longer_run_are_let_go(compiled: list[str]) -> None:
    """A trainer that releases every hour does not fill the memory with old models."""
    made = ServingModels(SETTINGS)
    for number in range(6):
        await _taken(made, _release(f"m{number}", created_ms=float(number + 1)))
    assert len(made._compiled) == 2


async def test_an_expired_champion_is_flagged(compiled: list[str]) -> None:
    """It serves on, and every forecast says that it has expired."""
    made = ServingModels(SETTINGS)
    await _taken(made, _release("old", "champion", expires_ms=1.0))
    assert made.lineup(1_750_000_000).flags == ("model_expired",)


async def test_an_expired_challenger_is_replaced_by_one_that_has_not(
    compiled: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Expiry is exchange time: the worker compares it with the newest second it has processed."""
    monkeypatch.setattr(PROGRESS, "second", {})
    made = ServingModels(SETTINGS)
    releases = [_release("a", "champion"), _release("b"), _release("c", created_ms=2.0, expires_ms=1_750_000_000_000.0)]
    assert await _taken(made, *releases) == ["a champion", "naive baseline", "c challenger"]
    PROGRESS.second["features"] = 1_750_000_000.0
    assert not made._has_expired_challenger()
    PROGRESS.second["features"] += 1
    assert made._has_expired_challenger()
    assert await _taken(made) == ["a champion", "naive baseline", "b challenger"]
    assert not made._has_expired_challenger()


def test_an_undecodable_release_changes_nothing() -> None:
    """It is counted, and the lineup stays."""
    made = ServingModels(SETTINGS)
    assert not made._update(b"{")
    assert not made._update(None)


def test_naive_alone_forecasts_before_any_release() -> None:
    """Its mean is no change."""
    (entry,) = ServingModels(SETTINGS).lineup(1_750_000_000).entries
    mean, _quantiles = entry.forecast(np.zeros((1, len(features.NAMES)), np.float32), np.full(1, 1e-4))
    assert not np.any(mean)
