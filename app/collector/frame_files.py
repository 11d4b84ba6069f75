"""Files of recorded frames: gzip, one per symbol and UTC day, of whole members only."""

import gzip
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

DAY_NS = 86_400 * 10**9
LEVEL = 3  # of zlib: half of the time of 6, for a tenth more bytes


class FrameFiles:
    """The files of one process in a folder. Each `write` adds a member to each file: none is left open or half."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._paths: dict[tuple[str, int], Path] = {}

    def write(self, lines: Mapping[tuple[str, int], bytes | bytearray]) -> None:
        """Add lines to the file of each symbol and day (days since 1970); raises OSError."""
        for (symbol, day), data in lines.items():
            path = self._paths.get((symbol, day)) or self._new_path(symbol, day)
            self._paths[symbol, day] = path
            _append(path, gzip.compress(data, LEVEL))
        newest = max((day for _, day in lines), default=0)
        self._paths = {key: path for key, path in self._paths.items() if key[1] >= newest - 1}

    def _new_path(self, symbol: str, day: int) -> Path:
        """Return the path of a new file: another process may have ended in the middle of the last one."""
        self.folder.mkdir(parents=True, exist_ok=True)
        name = f"{symbol}_{datetime.fromtimestamp(day * 86_400, UTC):%Y%m%d}"
        paths = (self.folder / f"{name}{'' if number == 1 else f'_{number}'}.gz" for number in count(1))
        return next(path for path in paths if not path.exists())


def _append(path: Path, member: bytes) -> None:
    with path.open("ab", buffering=0) as file:
        whole_bytes = file.tell()
        try:
            left = memoryview(member)
            while left:
                left = left[file.write(left) :]  # a nearly full disk takes a part
        except OSError:
            with suppress(OSError):
                file.truncate(whole_bytes)
            raise
