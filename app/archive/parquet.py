"""Parquet files, written atomically: under a temporary name, synced, then renamed."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from app.archive.segments import PART, Segment

KEY = b"btc"
ROW_GROUP_BYTES = 16 * 2**20
MERGED_MAX_BYTES = 64 * 2**20
MAX_SKIPPED_OFFSETS = 100  # in a footer


class ArchiveError(RuntimeError):
    """The archive cannot do what was asked: what, where and what to do."""


class SegmentFooter(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of a file's messages, as JSON in its Parquet footer."""

    messages: int
    written_ms: int  # Kafka's time of the last message: another message at that offset means another topic
    newest_second: int  # the newest second so far in this partition, exchange time
    generation: int  # the highest of the collectors so far
    skipped: int = 0  # messages that could not be read: they are in the range, but have no rows
    skipped_offsets: list[int] = []  # the first of them


def write(root: Path, segment: Segment, table: pa.Table, footer: SegmentFooter) -> int:
    """Write a file under a temporary name, sync it, rename it, sync its folder; return its size in bytes.

    Raises:
        OSError: the disk is full or broken; no file is left behind.

    """
    sink = pa.BufferOutputStream()
    pq.write_table(table.replace_schema_metadata(_metadata(footer)), sink, **_encoding(table.schema))
    path = root / segment.name
    _make_folder(path.parent)
    part = path.with_name(path.name + PART)
    try:
        with part.open("wb") as file:
            file.write(sink.getvalue())
            file.flush()
            os.fsync(file.fileno())
        _rename(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return path.stat().st_size


def merge(root: Path, parts: list[Segment]) -> list[Segment]:
    """Write neighbours of one hour as few files, each under 64 MiB of parts, and remove the parts; return the new."""
    return [_merge_one(root, group) for group in _grouped(root, parts) if len(group) > 1]


def read_footer(path: Path) -> SegmentFooter:
    """Return a file's footer.

    Raises:
        ArchiveError: the file is damaged.

    """
    try:
        return msgspec.json.decode((pq.read_schema(path).metadata or {})[KEY], type=SegmentFooter)
    except (KeyError, OSError, pa.ArrowException, msgspec.MsgspecError) as error:
        raise ArchiveError(
            f"archive file {path} is damaged ({error}): move it away, its messages are fetched again from Kafka"
        ) from error


def _merge_one(root: Path, parts: list[Segment]) -> Segment:
    first, last = parts[0], parts[-1]
    merged = Segment(first.topic, first.partition, first.epoch, first.first, last.last, first.hour)
    path = root / merged.name
    part = path.with_name(path.name + PART)
    files = [root / one.name for one in parts]
    schema = pa.unify_schemas([pq.read_schema(file).remove_metadata() for file in files])
    footer = _merged_footer([read_footer(file) for file in files])
    try:
        with part.open("wb") as out:
            with pq.ParquetWriter(out, schema.with_metadata(_metadata(footer)), **_encoding(schema)) as writer:
                for table in _row_groups(files, schema):
                    writer.write_table(table)
            out.flush()
            os.fsync(out.fileno())
        _rename(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    for file in files:
        file.unlink()
    return merged


def _row_groups(files: list[Path], schema: pa.Schema) -> Iterator[pa.Table]:
    tables: list[pa.Table] = []
    for file in files:
        tables.append(pq.ParquetFile(file).read())
        if sum(table.nbytes for table in tables) > ROW_GROUP_BYTES:
            yield _joined(tables, schema)
            tables = []
    yield _joined(tables, schema)


def _joined(tables: list[pa.Table], schema: pa.Schema) -> pa.Table:
    bare = [schema.empty_table(), *(table.replace_schema_metadata(None) for table in tables)]
    return pa.concat_tables(bare, promote_options="default").select(schema.names).combine_chunks()


def _merged_footer(footers: list[SegmentFooter]) -> SegmentFooter:
    return msgspec.structs.replace(
        footers[-1],
        messages=sum(one.messages for one in footers),
        skipped=sum(one.skipped for one in footers),
        skipped_offsets=[offset for one in footers for offset in one.skipped_offsets][:MAX_SKIPPED_OFFSETS],
    )


def _grouped(root: Path, parts: list[Segment]) -> Iterator[list[Segment]]:
    group: list[Segment] = []
    size_bytes = 0
    for part in parts:
        one_bytes = (root / part.name).stat().st_size
        if group and size_bytes + one_bytes > MERGED_MAX_BYTES:
            yield group
            group, size_bytes = [], 0
        group, size_bytes = [*group, part], size_bytes + one_bytes
    yield group


def _encoding(schema: pa.Schema) -> dict[str, Any]:
    # Forecasts and bars hardly repeat: split into byte streams they take 60–80 % of the space.
    doubles = [field.name for field in schema if pa.types.is_float64(field.type)]
    others = [field.name for field in schema if not pa.types.is_float64(field.type)]
    return {"compression": "zstd", "use_byte_stream_split": doubles, "use_dictionary": others}


def _metadata(footer: SegmentFooter) -> dict[bytes, bytes]:
    return {KEY: msgspec.json.encode(footer)}


def _make_folder(folder: Path) -> None:
    """Make a folder, and sync the parent of each new one."""
    new = [one for one in (folder, *folder.parents) if not one.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for one in new:
        _sync(one.parent)


def _rename(part: Path, path: Path) -> None:
    part.replace(path)
    _sync(path.parent)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
