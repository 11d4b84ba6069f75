"""Releases and registries for the tests of the registry and of promotion."""

import hashlib

import msgspec

from app.domain.forecast import LEVELS
from app.domain.registry import Registry
from app.records import ModelRelease, Role

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


def registry_of(*releases: ModelRelease) -> Registry:
    """Return a registry that took these records in this order."""
    registry = Registry()
    for record in releases:
        registry.update(record)
    return registry
