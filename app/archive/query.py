"""Questions to the archive. What enters: SQL, or a table and a span; what leaves: rows, through DuckDB.

DuckDB sees no file system at all: it is handed the archive's files as Arrow datasets. So no statement can read another
file or write one, and the span and hour in a condition skip files by their names.

    ticks   trades   quotes   bars   predictions   outcomes   scores        repeats left out
    ticks_all   features_all   predictions_all   outcomes_all               every message archived
"""

import asyncio
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Timer
from typing import Any, TypeVar

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from app.archive import segments
from app.archive.parquet import ArchiveError
from app.archive.rows import SHAPES
from app.archive.segments import HOUR_S, Segment
from app.kafka import topics
from app.settings import Settings

SPAN = pa.schema({"date": pa.date32(), "hour": pa.int32()})
SANDBOX: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "python_enable_replacements": "false",
    "temp_directory": "",
}
FRESH = "_all WHERE NOT repeat"  # what readers of the topics would use
ROWS = "SELECT make_timestamp(second * 1000000) AS time, "
PICK = "second, date, hour, unnest"
VIEWS = {  # table → topic, SELECT
    "ticks": ("ticks", f"{ROWS} * EXCLUDE (repeat) FROM ticks{FRESH}"),
    "trades": ("ticks", f"{ROWS} symbol, {PICK}(trades, recursive := true) FROM ticks{FRESH}"),
    "quotes": ("ticks", f"{ROWS} symbol, {PICK}(quotes, recursive := true) FROM ticks{FRESH}"),
    "bars": ("features", f"{ROWS} * EXCLUDE (repeat) FROM features{FRESH}"),
    "predictions": ("predictions", f"{ROWS} * EXCLUDE (repeat) FROM predictions{FRESH}"),
    "outcomes": ("outcomes", f"{ROWS} {PICK}(settled, recursive := true) FROM outcomes{FRESH}"),
    "scores": ("outcomes", f"{ROWS} {PICK}(one) FROM (SELECT {PICK}(scores) AS one FROM outcomes{FRESH})"),  # noqa: S608
}
TABLES = tuple(VIEWS)
ATTEMPTS = 3
T = TypeVar("T")


def query(settings: Settings, sql: str) -> pa.Table:
    """Answer a question in DuckDB's SQL.

    Raises:
        ArchiveError: the archive is empty, or DuckDB refuses the question; the message says where and why.

    """
    return _answer(settings, lambda door: _rows(door, sql), mentioned=sql)


def tables(settings: Settings) -> pa.Table:
    """Return each table that holds rows: its columns, first and last time (UTC), files and bytes.

    Raises:
        ArchiveError: the archive is empty.

    """
    return _answer(settings, lambda door: pa.Table.from_pylist(list(_described(settings, door))))


async def history(
    settings: Settings,
    table: str,
    symbol: str,
    from_s: int,
    to_s: int,
    *,
    limit: int = 3600,
    columns: Sequence[str] = (),
    timeout_s: float = 10.0,
) -> list[dict[str, Any]]:
    """Return a symbol's rows of a table with from_s ≤ second < to_s, in order of time, at most `limit` of them.

    Raises:
        ArchiveError: no such table or column, or the answer takes longer than `timeout_s`.

    """
    if table not in VIEWS:
        raise ArchiveError(f"no table {table!r} in the archive; there are {', '.join(TABLES)}")
    chosen = ", ".join('"' + name.replace('"', '""') + '"' for name in columns) or "* EXCLUDE (date, hour, time)"
    sql = f"SELECT {chosen} FROM {table} WHERE symbol = ? AND second >= ? AND second < ? ORDER BY second LIMIT ?"  # noqa: S608 – names are checked and quoted

    def ask(door: duckdb.DuckDBPyConnection) -> pa.Table:
        with _limited(door, timeout_s):
            return _rows(door, sql, [symbol, from_s, to_s, limit])

    def answer() -> list[dict[str, Any]]:
        found = _answer(settings, ask, mentioned=table, empty_ok=True, span=(from_s, to_s))
        rows: list[dict[str, Any]] = found.to_pylist(maps_as_pydicts="strict")
        return rows

    return await asyncio.to_thread(answer)


def _rows(door: duckdb.DuckDBPyConnection, sql: str, bound: list[Any] | None = None) -> pa.Table:
    relation = door.sql(sql, params=bound)
    if relation is None:
        raise ArchiveError("the archive answers questions only: SELECT, DESCRIBE, SUMMARIZE, SHOW")
    return relation.to_arrow_table()


def _answer(
    settings: Settings,
    ask: Callable[[duckdb.DuckDBPyConnection], T],
    mentioned: str = "",
    *,
    empty_ok: bool = False,
    span: tuple[int, int] | None = None,
) -> T:
    """Open the archive and ask; a file that was merged away meanwhile means asking again."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with closing(_opened(settings, mentioned, span, empty_ok=empty_ok)) as door:
                return ask(door)
        except (duckdb.Error, OSError) as error:
            gone = "No such file" in str(error) or isinstance(error, FileNotFoundError)
            if not gone or attempt == ATTEMPTS:
                raise ArchiveError(_readable(error)) from error
    raise AssertionError


def _opened(
    settings: Settings, mentioned: str, span: tuple[int, int] | None, *, empty_ok: bool
) -> duckdb.DuckDBPyConnection:
    root = segments.folder(settings)
    names = {spec.name: spec.full_name(settings) for spec in topics.ALL if spec.name in SHAPES}
    if not empty_ok and not any((root / full).is_dir() for full in names.values()):
        raise ArchiveError(
            f"the archive at {root} is empty: start `btc up` (its first rows come within "
            f"{settings.archive_flush_s:g} s), or choose another source with --source or BTC_DATA_DIR"
        )
    door = duckdb.connect(":memory:", config=SANDBOX)
    for name in _needed(mentioned):
        door.register(f"{name}_all", _dataset(root, segments.segments(root, names[name]), name, span))
    for view, (name, select) in VIEWS.items():
        if name in _needed(mentioned):
            door.execute(f"CREATE VIEW {view} AS {select}")
    door.execute("SET enable_external_access = false")
    door.execute("SET lock_configuration = true")
    return door


def _needed(mentioned: str) -> list[str]:
    """Return the topics a question speaks of; without any of their names, all."""
    words = set(re.findall(r"\w+", mentioned.lower()))
    needed = {topic for view, (topic, _sql) in VIEWS.items() if view in words}
    return sorted(needed | {topic for topic in SHAPES if f"{topic}_all" in words}) or sorted(SHAPES)


def _dataset(root: Path, listed: list[Segment], name: str, span: tuple[int, int] | None) -> ds.Dataset:
    chosen = [one for one in listed if span is None or _overlaps(one, *span)]
    # Columns differ with the version that wrote: the newest file of each partition names them.
    found = [pq.read_schema(root / one.name).remove_metadata() for one in segments.newest(listed).values()]
    schema = pa.unify_schemas([SHAPES[name].schema, *found, SPAN])
    return ds.FileSystemDataset.from_paths(
        [str(root / one.name) for one in chosen],
        schema=schema,
        format=ds.ParquetFileFormat(),
        filesystem=pafs.LocalFileSystem(),
        partitions=[_span(one.hour) for one in chosen],
    )


def _overlaps(one: Segment, from_s: int, to_s: int) -> bool:
    return from_s < (one.hour + 1) * HOUR_S and one.hour * HOUR_S < to_s


def _span(hour: int) -> ds.Expression:
    at = datetime.fromtimestamp(hour * HOUR_S, UTC)
    named = (ds.field("date") == pa.scalar(at.date())) & (ds.field("hour") == pa.scalar(at.hour, pa.int32()))
    second = ds.field("second")
    return named & (second >= hour * HOUR_S) & (second < (hour + 1) * HOUR_S)


def _described(settings: Settings, door: duckdb.DuckDBPyConnection) -> Iterator[dict[str, Any]]:
    root = segments.folder(settings)
    for view, (name, _sql) in VIEWS.items():
        listed = segments.segments(root, f"{settings.topic_prefix}.{name}")
        first, last = door.query(f"SELECT min(second), max(second) FROM {name}_all").fetchall()[0]  # noqa: S608
        yield {
            "table": view,
            "columns": ", ".join(door.query(f"DESCRIBE {view}").to_arrow_table()["column_name"].to_pylist()),
            "from": _utc(first),
            "to": _utc(last),
            "files": len(listed),
            "size_mb": round(sum((root / one.name).stat().st_size for one in listed) / 1e6, 3),
        }


def _utc(second: int | None) -> str | None:
    return None if second is None else f"{datetime.fromtimestamp(second, UTC):%Y-%m-%d %H:%M:%S}"


@contextmanager
def _limited(door: duckdb.DuckDBPyConnection, timeout_s: float) -> Iterator[None]:
    timer = Timer(timeout_s, door.interrupt)
    timer.start()
    try:
        yield
    except duckdb.InterruptException as error:
        raise ArchiveError(f"the archive took longer than {timeout_s:g} s: ask for a shorter span") from error
    finally:
        timer.cancel()


def _readable(error: Exception) -> str:
    # "Binder Error: Referenced column "x" not found…\n\nLINE 1: …" → one line
    return re.sub(r"\s+", " ", str(error).split("\n\nLINE")[0]).strip()
