"""The packaged release runs with the features of this program."""

from app import releases
from app.domain import features
from app.domain.forecast import LEVELS
from app.domain.registry import rejection_reasons
from tests.training.conftest import HORIZONS


def test_the_packaged_release_fits_this_program() -> None:
    """Its features are the ones computed here; if not, make it again with `btc train --cold-start`."""
    (release,) = releases.packaged()
    assert rejection_reasons(release, features.SCHEMA, HORIZONS, LEVELS) == []
    assert release.origin.startswith("cold start: synthetic seeds")
    assert (release.role, release.expires_ms) == ("challenger", 0.0)
    assert len(release.artifact) < 300_000
