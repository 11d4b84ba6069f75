"""From memory to disk. What enters: lines that hold messages; what leaves: files, however often the disk refuses."""

import asyncio
import errno
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from app import metrics
from app.archive import parquet
from app.archive.compaction import tidy
from app.archive.partition_buffer import PartitionBuffer
from app.logs import logger
from app.settings import Settings

TIDY_EVERY_S = 30.0
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 30.0
T = TypeVar("T")
log = logger("archive")


class Writer:
    """Writes what lines hold. Its one thread never overlaps two steps, not even when the caller is cancelled."""

    def __init__(self, root: Path, settings: Settings, topics: list[str], progress: dict[str, float]) -> None:
        self._root, self._topics, self._progress = root, topics, progress
        self._flush_s, self._keep_days = settings.archive_flush_s, settings.archive_retention_days
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="archive")
        self._tidy_due, self._tidied_at = True, float("-inf")

    def hour_ended(self) -> None:
        """Note that there may be files to merge and hours to remove."""
        self._tidy_due = True

    async def write_due(self, lines: Iterable[PartitionBuffer]) -> None:
        """Write what is held for as long as the settings allow, and tidy after an hour's end."""
        now = time.monotonic()
        for line in lines:
            if line.first is not None and now - line.since >= self._flush_s:
                await self.write(line)
        if self._tidy_due and now - self._tidied_at >= TIDY_EVERY_S:
            self._tidy_due, self._tidied_at = False, now
            await self._tidy()

    async def write(self, line: PartitionBuffer) -> None:
        """Write what a line holds, again and again until it is on disk; the caller reads nothing meanwhile."""
        wait_s = FIRST_WAIT_S
        while not await self._try(line):
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)

    async def close(self, lines: Iterable[PartitionBuffer]) -> None:
        """Write what is held, trying once: what stays unwritten is read from Kafka again."""
        for line in lines:
            await self._try(line)
        self._disk.shutdown()

    async def _try(self, line: PartitionBuffer) -> bool:
        try:
            rows, size_bytes = await self._on_disk(self._save, line)
        except OSError as error:
            self._stalled(error)
            return False
        if line.first is not None:
            line.clear()
            self._wrote(line, rows, size_bytes)
        return True

    def _save(self, line: PartitionBuffer) -> tuple[int, int]:
        ready = line.ready()
        return (ready.table.num_rows, parquet.write(self._root, *ready)) if ready else (0, 0)

    def _wrote(self, line: PartitionBuffer, rows: int, size_bytes: int) -> None:
        metrics.ARCHIVE_FILES.labels(line.place.topic).inc()
        metrics.ARCHIVE_ROWS.labels(line.place.topic).inc(rows)
        self._progress["files"] += 1
        self._progress["size_mb"] += size_bytes / 1e6
        if self._progress["stalled"]:
            self._progress["stalled"] = 0.0
            log.info("the archive can be written again; nothing was lost", folder=str(self._root))

    def _stalled(self, error: OSError) -> None:
        metrics.ARCHIVE_ERRORS.labels(_reason(error)).inc()
        if not self._progress["stalled"]:
            self._progress["stalled"] = 1.0
            log.error(
                "the archive cannot be written; it waits and tries again, the messages stay in Kafka: free some space "
                "or lower BTC_ARCHIVE_RETENTION_DAYS",
                folder=str(self._root),
                reason=_reason(error),
            )

    async def _tidy(self) -> None:
        try:
            await self._on_disk(tidy, self._root, self._topics, self._keep_days)
        except (OSError, parquet.ArchiveError) as error:
            metrics.ARCHIVE_ERRORS.labels(_reason(error)).inc()
            log.warning("the archive cannot be tidied, trying again later", reason=str(error))
            self._tidy_due = True

    async def _on_disk(self, step: Callable[..., T], *given: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._disk, step, *given)


def _reason(error: Exception) -> str:
    # ENOSPC, EIO, …
    return errno.errorcode.get(getattr(error, "errno", None) or 0, type(error).__name__)
