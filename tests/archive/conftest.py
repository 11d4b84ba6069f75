"""Settings with a folder of their own, for the tests of the archive."""

from pathlib import Path

import pytest

from app.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Return settings with a folder of their own."""
    return Settings(data_dir=tmp_path)
