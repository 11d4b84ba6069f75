"""Compaction: the files of finished hours are merged, hours past their retention are removed."""

import time
from collections.abc import Callable
from pathlib import Path

from app.archive import parquet
from app.archive.segments import HOUR_S, Segment, expired, mergeable, remove_leftovers, segments
from app.logs import logger

DAY_S = 86_400.0
log = logger("archive")


def compact(
    root: Path,
    topics: list[str],
    keep_days: float,
    wall_s: float | None = None,
    *,
    on_step: Callable[[], None] = lambda: None,
) -> None:
    """Remove hours older than `keep_days` before the newest one, then merge the files of finished hours.

    `on_step` is called after each merge.

    Raises:
        OSError: the disk is full or broken; what is archived stays readable.

    """
    listed = {topic: segments(root, topic) for topic in topics}
    now_s = _now(listed, time.time() if wall_s is None else wall_s)
    for topic, found in listed.items():
        _remove(root, expired(found, now_s, keep_days))
        remove_leftovers(root, topic)
        for parts in mergeable(segments(root, topic)):
            parquet.merge(root, parts)
            on_step()


def _now(listed: dict[str, list[Segment]], wall_s: float) -> float:
    # A single batch from the year 9999 must not empty the archive: no data is newer than tomorrow.
    newest = max((segment.hour + 1 for found in listed.values() for segment in found), default=0) * HOUR_S
    return min(float(newest), wall_s + DAY_S)


def _remove(root: Path, old: list[Segment]) -> None:
    for segment in old:
        path = root / segment.name
        path.unlink(missing_ok=True)
        for folder in path.parents[:2]:  # hour=, date=
            if folder.exists() and not any(folder.iterdir()):
                folder.rmdir()
    if old:
        log.info("removed hours past their retention", topic=old[0].topic, files=len(old))
