"""Release records: the `ModelRelease` that publishes an artifact."""

import hashlib

from app.domain.artifact import Header
from app.records import ModelRelease, Role


def release_of(
    name: str, artifact: bytes, header: Header, *, role: Role = "challenger", expires_ms: float = 0.0
) -> ModelRelease:
    """Return the record that carries an artifact; its description of the model is that of the artifact's header."""
    return ModelRelease(
        id=name,
        kind="tensorflow",
        role=role,
        created_ms=header.created_ms,
        feature_schema=header.feature_schema,
        horizons_s=list(header.horizons_s),
        levels=list(header.levels),
        sha256=hashlib.sha256(artifact).hexdigest(),
        artifact=artifact,
        origin=header.origin,
        metrics=dict(header.metrics),
        expires_ms=expires_ms,
    )
