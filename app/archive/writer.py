"""Writer of the archive: buffers become files, and a write that fails is retried until it succeeds."""

import asyncio
import errno
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from app import metrics
from app.archive import parquet
from app.archive.compaction import compact
from app.archive.partition_buffer import PartitionBuffer
from app.logs import logger
from app.retry import retrying
from app.settings import Settings

COMPACT_EVERY_S = 30.0
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 30.0
T = TypeVar("T")
log = logger("archive")


class Writer:
    """Writes buffers. Its one thread never overlaps two steps, not even when the caller is cancelled.

    `beat` is called after each step: a disk that is full is tried again for ever, one that hangs stalls the process.
    """

    def __init__(
        self, root: Path, settings: Settings, topics: list[str], progress: dict[str, float],
        beat: Callable[[], None] = lambda: None,
    ) -> None:  # fmt: skip
        self._root, self._topics, self._progress = root, topics, progress
        self._beat = beat
        self._flush_s, self._keep_days = settings.archive_flush_s, settings.archive_retention_days
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="archive")
        self._compaction_due, self._compacted_s = True, float("-inf")

    def hour_ended(self) -> None:
        """Compact soon: there may be files to merge and hours to remove."""
        self._compaction_due = True

    async def write_due(self, buffers: Iterable[PartitionBuffer]) -> None:
        """Write each buffer that is older than the settings allow, and compact after an hour's end."""
        now_s = time.monotonic()
        for buffer in buffers:
            if buffer.first is not None and now_s - buffer.since_s >= self._flush_s:
                await self.write(buffer)
        if self._compaction_due and now_s - self._compacted_s >= COMPACT_EVERY_S:
            self._compaction_due, self._compacted_s = False, now_s
            await self._compact()

    async def write(self, buffer: PartitionBuffer) -> None:
        """Write a buffer, again until it succeeds; the caller reads nothing meanwhile."""
        await retrying(
            lambda: self._write(buffer), "write the archive", process="archive", on=OSError,
            first_wait_s=FIRST_WAIT_S, longest_wait_s=LONGEST_WAIT_S, on_failure=self._stalled,
        )  # fmt: skip

    async def close(self, buffers: Iterable[PartitionBuffer]) -> None:
        """Write every buffer, trying once: what stays unwritten is read from Kafka again."""
        for buffer in buffers:
            try:
                await self._write(buffer)
            except OSError as error:
                self._stalled(error)
        self._disk.shutdown()

    async def _write(self, buffer: PartitionBuffer) -> None:
        rows, size_bytes = await self._on_disk(self._write_file, buffer)
        if buffer.first is not None:
            buffer.clear()
            self._count(buffer, rows, size_bytes)

    def _write_file(self, buffer: PartitionBuffer) -> tuple[int, int]:
        content = buffer.content()
        return (content.table.num_rows, parquet.write(self._root, *content)) if content else (0, 0)

    def _count(self, buffer: PartitionBuffer, rows: int, size_bytes: int) -> None:
        metrics.ARCHIVE_FILES.labels(buffer.partition.topic).inc()
        metrics.ARCHIVE_ROWS.labels(buffer.partition.topic).inc(rows)
        self._progress["files"] += 1
        self._progress["size_mb"] += size_bytes / 1e6
        if self._progress["stalled"]:
            self._progress["stalled"] = 0.0
            log.info("the archive can be written again; nothing was lost", folder=str(self._root))

    def _stalled(self, error: Exception) -> None:
        metrics.ARCHIVE_ERRORS.labels(_error_name(error)).inc()
        if not self._progress["stalled"]:
            self._progress["stalled"] = 1.0
            log.error(
                "the archive cannot be written, trying again; the messages stay in Kafka: free some space or lower "
                "BTC_ARCHIVE_RETENTION_DAYS",
                folder=str(self._root),
                reason=_error_name(error),
            )

    async def _compact(self) -> None:
        try:
            await self._on_disk(partial(compact, on_step=self._beat), self._root, self._topics, self._keep_days)
        except (OSError, parquet.ArchiveError) as error:
            metrics.ARCHIVE_ERRORS.labels(_error_name(error)).inc()
            log.warning("the archive cannot be compacted, trying again later", reason=str(error))
            self._compaction_due = True

    async def _on_disk(self, step: Callable[..., T], *given: Any) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._disk, step, *given)
        finally:
            self._beat()


def _error_name(error: Exception) -> str:
    # ENOSPC, EIO, …
    return errno.errorcode.get(getattr(error, "errno", None) or 0, type(error).__name__)
