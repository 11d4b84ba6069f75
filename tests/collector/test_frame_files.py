"""Files of recorded frames."""

import gzip
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.collector.frame_files import FrameFiles

DAY = 20_000  # 2024-10-04


@contextmanager
def disk_of(size_bytes: int) -> Iterator[None]:
    """Let no file of this process grow beyond a size."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_what_a_full_disk_took_of_a_write_is_taken_back(tmp_path: Path) -> None:
    """A file is readable to its end whatever happened."""
    files, path = FrameFiles(tmp_path), tmp_path / "btcusdt_20241004.gz"
    files.write({("btcusdt", DAY): b"first\n"})
    with disk_of(path.stat().st_size + 5), pytest.raises(OSError, match="too large"):
        files.write({("btcusdt", DAY): b"second\n"})
    assert gzip.decompress(path.read_bytes()) == b"first\n"


def test_a_days_file_is_forgotten_when_its_day_is_over(tmp_path: Path) -> None:
    """A frame of midnight may still come a moment later."""
    files = FrameFiles(tmp_path)
    for day in (DAY, DAY + 1, DAY + 2):
        files.write({("btcusdt", day): b"a frame\n"})
    files.write({("btcusdt", DAY + 1): b"a late frame\n"})
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "btcusdt_20241004.gz", "btcusdt_20241005.gz", "btcusdt_20241006.gz",
    ]  # fmt: skip
    assert set(files._paths) == {("btcusdt", DAY + 1), ("btcusdt", DAY + 2)}
