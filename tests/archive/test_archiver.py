"""The archiver without a broker."""

import pytest

from app.archive.archiver import Archiver, _locked
from app.archive.parquet import ArchiveError
from app.archive.segments import archive_folder
from app.settings import Settings


def test_a_second_writer_is_refused(settings: Settings) -> None:
    """Two processes on one folder would archive messages twice."""
    root = archive_folder(settings)
    with _locked(root), pytest.raises(ArchiveError, match="another process"), _locked(root):
        pass


def test_progress_starts_at_zero(settings: Settings) -> None:
    """Heartbeats can show it from the first moment."""
    assert set(Archiver(settings).progress.values()) == {0.0}
