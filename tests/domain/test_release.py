"""A release record describes its artifact."""

import hashlib

from app.domain.artifact import Header
from app.domain.release import release_of


def test_a_release_takes_its_description_from_the_header_and_its_checksum_from_the_bytes() -> None:
    """Role and expiry are the caller's."""
    header = Header(
        feature_schema="s", feature_names=("f",), horizons_s=(5, 10), levels=(0.5,), hidden=(1, 1), created_ms=7.0,
        origin="a test", metrics={"skill_5s": 0.1},
    )  # fmt: skip
    release = release_of("tf-1", b"bytes", header, role="champion", expires_ms=9.0)
    assert (release.id, release.kind, release.role, release.expires_ms) == ("tf-1", "tensorflow", "champion", 9.0)
    assert (release.created_ms, release.feature_schema, release.origin) == (7.0, "s", "a test")
    assert (release.horizons_s, release.levels, release.metrics) == ([5, 10], [0.5], {"skill_5s": 0.1})
    assert release.sha256 == hashlib.sha256(b"bytes").hexdigest()
