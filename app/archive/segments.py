"""File names of the archive: each says which messages a file holds, so the folder is its own index.

    archive/btc.ticks/date=2026-11-22/hour=13/p003-e0-000000001200-000000001259.parquet
                                              partition · epoch · first and last offset, both included

A file gets its name only when it is complete, so the names say what is archived and nothing else has to be stored. A
merged file's range contains those of its parts, and a listing leaves contained files out: a crash between the rename
and the removal of the parts shows no message twice. The epoch rises when a topic was created again and its offsets
start again.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

from app.settings import Settings

HOUR_S = 3600
PART = ".part"
_NAME = re.compile(r"p(\d+)-e(\d+)-(\d+)-(\d+)\.parquet")


@dataclass(frozen=True, order=True)
class Segment:
    """The messages of one file."""

    topic: str
    partition: int
    epoch: int
    first: int
    last: int
    hour: int  # exchange time, hours since the epoch

    @property
    def name(self) -> str:
        """Return the path below the archive's folder.

        >>> Segment("btc.ticks", 3, 0, 1200, 1259, 494_869).name
        'btc.ticks/date=2026-06-15/hour=13/p003-e0-000000001200-000000001259.parquet'
        """
        day = f"{datetime.fromtimestamp(self.hour * HOUR_S, UTC):date=%Y-%m-%d/hour=%H}"
        return f"{self.topic}/{day}/p{self.partition:03d}-e{self.epoch}-{self.first:012d}-{self.last:012d}.parquet"


def archive_folder(settings: Settings) -> Path:
    """Return the archive's folder of this source."""
    return settings.data_dir / "archive"


def segments(root: Path, topic: str) -> list[Segment]:
    """Return what is archived of a topic, in order of partition and offset, contained files left out."""
    return list(
        _without_contained(sorted(_listed(root, topic), key=lambda s: (s.partition, s.epoch, s.first, -s.last)))
    )


def _listed(root: Path, topic: str) -> Iterator[Segment]:
    for path in (root / topic).glob("date=*/hour=*/p*.parquet"):
        if match := _NAME.fullmatch(path.name):
            partition, epoch, first, last = map(int, match.groups())
            yield Segment(topic, partition, epoch, first, last, _hour(path))


def _hour(path: Path) -> int:
    day, hour = path.parts[-3].removeprefix("date="), path.parts[-2].removeprefix("hour=")
    return int(datetime.fromisoformat(f"{day}T{hour}:00+00:00").timestamp()) // HOUR_S


def _without_contained(ordered: Iterable[Segment]) -> Iterator[Segment]:
    for _partition, group in groupby(ordered, key=lambda s: (s.partition, s.epoch)):
        end = -1
        for segment in group:
            if segment.last > end:
                yield segment
            end = max(end, segment.last)


def newest(listed: Iterable[Segment]) -> dict[int, Segment]:
    """Return the last segment of each partition; the archiver continues after it."""
    return {segment.partition: segment for segment in sorted(listed)}


def remove_leftovers(root: Path, topic: str) -> int:
    """Remove files that a crash left: unfinished ones and parts of merged ones; return how many."""
    kept = {root / segment.name for segment in segments(root, topic)}
    leftovers = [path for path in (root / topic).glob("date=*/hour=*/p*") if path not in kept and _is_segment(path)]
    for path in leftovers:
        path.unlink(missing_ok=True)
    return len(leftovers)


def _is_segment(path: Path) -> bool:
    return _NAME.fullmatch(path.name.removesuffix(PART)) is not None


def mergeable(listed: Iterable[Segment]) -> Iterator[list[Segment]]:
    """Yield neighbours of one finished hour, two or more; no other file's offsets lie between them."""
    for _partition, group in groupby(sorted(listed), key=lambda s: (s.partition, s.epoch)):
        hours = [list(parts) for _hour, parts in groupby(group, key=lambda s: s.hour)]
        yield from (parts for parts in hours[:-1] if len(parts) > 1)


def expired(listed: list[Segment], now_s: float, keep_days: float) -> list[Segment]:
    """Return the segments whose hour ended more than `keep_days` ago, exchange time.

    The newest segment of each partition stays, however old: the archiver continues after it.
    """
    limit = (now_s - keep_days * 86_400) / HOUR_S
    kept = set(newest(listed).values())
    return [segment for segment in listed if segment.hour + 1 <= limit and segment not in kept]
