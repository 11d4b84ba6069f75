"""The model registry: which releases run and in which role, from the release records in order.

Only the newest record of each id and the order of those records count, so a compacted topic read from its beginning
gives the same registry as all records. The newest record with the role champion serves; an older champion runs on as
challenger, and serves again when the newer one is demoted. Without a champion naive serves.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from app.domain.artifact import MAX_BYTES
from app.records import ModelRelease, Role

MAX_RUNNING = 2  # TensorFlow models at once: each is a call per batch


@dataclass
class Registry:
    """The releases as of the newest record.

    >>> registry = Registry()
    >>> registry.champion() is None
    True
    """

    releases: dict[str, ModelRelease] = field(default_factory=dict)  # by id, in order of their newest record

    def update(self, release: ModelRelease) -> None:
        """Apply one record: it replaces the earlier record of its id; the role `retired` removes the release."""
        self.releases.pop(release.id, None)
        if release.role != "retired":
            self.releases[release.id] = release

    def champion(self) -> ModelRelease | None:
        """Return the release that serves, expired or not (see `is_expired`); None: naive serves."""
        return next((release for release in reversed(self.releases.values()) if release.role == "champion"), None)

    def to_run(self, now_ms: float = 0.0, most: int = MAX_RUNNING) -> list[tuple[ModelRelease, Role]]:
        """Return at most `most` releases to run, champion first, then the newest challengers that have not expired.

        `now_ms` is exchange time.
        """
        champion = self.champion()
        first: list[tuple[ModelRelease, Role]] = [(champion, "champion")] if champion else []
        others = [release for release in self.releases.values() if release is not champion]
        others = [release for release in others if release.role != "baseline" and not is_expired(release, now_ms)]
        newest = sorted(others, key=lambda release: release.created_ms, reverse=True)
        return first + [(release, "challenger") for release in newest[: most - len(first)]]


def is_expired(release: ModelRelease, now_ms: float) -> bool:
    """Return whether a release has expired at exchange time `now_ms`; its forecasts are flagged then."""
    return 0 < release.expires_ms < now_ms


def rejection_reasons(
    release: ModelRelease, feature_schema: str, horizons_s: Sequence[int], levels: Sequence[float], now_ms: float = 0.0
) -> list[str]:
    """Return the reasons against running a release, one line each; empty: it may be compiled."""
    digest = hashlib.sha256(release.artifact).hexdigest()
    checks = {
        f"its artifact has {len(release.artifact)} bytes, at most {MAX_BYTES} are allowed": (
            len(release.artifact) > MAX_BYTES
        ),
        f"its artifact's sha256 is {digest[:12]}…, not {release.sha256[:12]}…": digest != release.sha256,
        f"it reads features {release.feature_schema}, this program computes {feature_schema}": (
            release.feature_schema != feature_schema
        ),
        f"its horizons are {release.horizons_s} s, not {list(horizons_s)}": release.horizons_s != list(horizons_s),
        f"its levels are {release.levels}, not {list(levels)}": release.levels != list(levels),
        f"a {release.kind} release cannot be run, only tensorflow": release.kind != "tensorflow",
        "it has expired": is_expired(release, now_ms),
    }
    return [f"release {release.id}: {reason}" for reason, failed in checks.items() if failed]
