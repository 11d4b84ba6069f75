"""SQL over the archive, through DuckDB.

DuckDB has no access to the file system: it gets the archive's files as Arrow datasets. So no statement can read another
file or write one, and a condition on time or hour skips files by their names.

    ticks   trades   quotes   books   bars   predictions   outcomes   scores   gaps   repeats left out
    ticks_all   backfill_all   gaps_all   features_all   predictions_all   outcomes_all   every message archived

`trades` are the live ones and, `backfilled`, those fetched later, each id of a symbol once; `gaps` the newest record of
each gap. Files of backfill and gaps lie by the hour they were written: what was fetched is far older.
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
from app.archive.rows import TOPIC_ROWS
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
ACCEPTED = "_all WHERE NOT repeat"  # what readers of the topics accept
ROWS = "SELECT make_timestamp(second * 1000000) AS time, "
UNNEST = "second, date, hour, unnest"
LIVE = f"{ROWS} symbol, {UNNEST}(trades, recursive := true), false AS backfilled FROM ticks{ACCEPTED}"
FETCHED = f"SELECT symbol, second, unnest(trades, recursive := true) FROM backfill{ACCEPTED}"  # noqa: S608
ONCE = f"SELECT DISTINCT ON (symbol, id) * FROM ({FETCHED}) ANTI JOIN ({LIVE}) USING (symbol, id)"  # noqa: S608
DAY_AND_HOUR = "CAST(make_timestamp(second * 1000000) AS DATE) AS date, CAST(second // 3600 % 24 AS INTEGER) AS hour"
MERGED = f"{LIVE} UNION ALL BY NAME ({ROWS} *, {DAY_AND_HOUR}, true AS backfilled FROM ({ONCE}))"
NEWEST = "QUALIFY row_number() OVER (PARTITION BY id ORDER BY generation DESC, kafka_offset DESC) = 1"
VIEWS = {  # table → topic, SELECT
    "ticks": ("ticks", f"{ROWS} * EXCLUDE (repeat) FROM ticks{ACCEPTED}"),
    "trades": ("ticks", LIVE),  # where something was backfilled: MERGED
    "quotes": ("ticks", f"{ROWS} symbol, {UNNEST}(quotes, recursive := true) FROM ticks{ACCEPTED}"),
    "books": ("ticks", f"{ROWS} symbol, {UNNEST}(book) FROM ticks{ACCEPTED} AND book IS NOT NULL"),
    "bars": ("features", f"{ROWS} * EXCLUDE (repeat) FROM features{ACCEPTED}"),
    "gaps": ("gaps", f"{ROWS} * EXCLUDE (repeat, date, hour), {DAY_AND_HOUR} FROM gaps{ACCEPTED} {NEWEST}"),
    "predictions": ("predictions", f"{ROWS} * EXCLUDE (repeat) FROM predictions{ACCEPTED}"),
    "outcomes": ("outcomes", f"{ROWS} {UNNEST}(settled, recursive := true) FROM outcomes{ACCEPTED}"),
    "scores": ("outcomes", f"{ROWS} {UNNEST}(one) FROM (SELECT {UNNEST}(scores) AS one FROM outcomes{ACCEPTED})"),  # noqa: S608
}
TABLES = tuple(VIEWS)
ATTEMPTS = 3
T = TypeVar("T")


def query(settings: Settings, sql: str) -> pa.Table:
    """Return the rows of a query in DuckDB's SQL.

    Raises:
        ArchiveError: the archive is empty, or DuckDB refuses the query; the message says where and why.

    """
    return _run(settings, lambda connection: _rows(connection, sql), sql=sql)


def tables(settings: Settings) -> pa.Table:
    """Return each table that holds rows: its columns, first and last time (UTC), files and bytes.

    Raises:
        ArchiveError: the archive is empty.

    """
    return _run(settings, lambda connection: pa.Table.from_pylist(list(_described(settings, connection))))


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
        ArchiveError: no such table or column, or the query takes longer than `timeout_s`.

    """
    if table not in VIEWS:
        raise ArchiveError(f"no table {table!r} in the archive; there are {', '.join(TABLES)}")
    chosen = ", ".join('"' + name.replace('"', '""') + '"' for name in columns) or "* EXCLUDE (date, hour, time)"
    sql = f"SELECT {chosen} FROM {table} WHERE symbol = ? AND second >= ? AND second < ? ORDER BY second LIMIT ?"  # noqa: S608 – names are checked and quoted

    def fetch(connection: duckdb.DuckDBPyConnection) -> pa.Table:
        with _time_limit(connection, timeout_s):
            return _rows(connection, sql, [symbol, from_s, to_s, limit])

    def read() -> list[dict[str, Any]]:
        found = _run(settings, fetch, sql=table, empty_ok=True, span=(from_s, to_s))
        rows: list[dict[str, Any]] = found.to_pylist(maps_as_pydicts="strict")
        return rows

    return await asyncio.to_thread(read)


def _rows(connection: duckdb.DuckDBPyConnection, sql: str, bound: list[Any] | None = None) -> pa.Table:
    relation = connection.sql(sql, params=bound)
    if relation is None:
        raise ArchiveError("the archive can only be read: use SELECT, DESCRIBE, SUMMARIZE or SHOW")
    return relation.to_arrow_table()


def _run(
    settings: Settings,
    fetch: Callable[[duckdb.DuckDBPyConnection], T],
    sql: str = "",
    *,
    empty_ok: bool = False,
    span: tuple[int, int] | None = None,
) -> T:
    """Open the archive and fetch; again when a file was merged away meanwhile."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with closing(_open(settings, sql, span, empty_ok=empty_ok)) as connection:
                return fetch(connection)
        except (duckdb.Error, OSError) as error:
            gone = "No such file" in str(error) or isinstance(error, FileNotFoundError)
            if not gone or attempt == ATTEMPTS:
                raise ArchiveError(_one_line(error)) from error
    raise AssertionError


def _open(settings: Settings, sql: str, span: tuple[int, int] | None, *, empty_ok: bool) -> duckdb.DuckDBPyConnection:
    root = segments.archive_folder(settings)
    names = {spec.name: spec.full_name(settings) for spec in topics.ALL if spec.name in TOPIC_ROWS}
    if not empty_ok and not any((root / full).is_dir() for full in names.values()):
        raise ArchiveError(
            f"the archive at {root} is empty: start `btc up` (its first rows come within "
            f"{settings.archive_flush_s:g} s), or choose another source with --source or BTC_DATA_DIR"
        )
    connection = duckdb.connect(":memory:", config=SANDBOX)
    listed = {name: segments.segments(root, names[name]) for name in _needed(sql)}
    for name, found in listed.items():
        connection.register(f"{name}_all", _dataset(root, found, name, span))
    for view, (name, select) in VIEWS.items():
        if name in listed:
            is_merged = view == "trades" and listed.get("backfill")
            connection.execute(f"CREATE VIEW {view} AS {MERGED if is_merged else select}")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection


def _needed(sql: str) -> list[str]:
    """Return the topics whose tables a query names; all of them where it names none."""
    words = set(re.findall(r"\w+", sql.lower()))
    needed = {topic for view, (topic, _sql) in VIEWS.items() if view in words}
    needed |= {"backfill"} if "trades" in words else set()
    return sorted(needed | {topic for topic in TOPIC_ROWS if f"{topic}_all" in words}) or sorted(TOPIC_ROWS)


def _dataset(root: Path, listed: list[Segment], name: str, span: tuple[int, int] | None) -> ds.Dataset:
    by_second = TOPIC_ROWS[name].ordered
    chosen = [one for one in listed if span is None or not by_second or _overlaps(one, *span)]
    # Columns differ with the version that wrote: the newest file of each partition names them.
    found = [pq.read_schema(root / one.name).remove_metadata() for one in segments.newest(listed).values()]
    schema = pa.unify_schemas([TOPIC_ROWS[name].schema, *found, SPAN])
    return ds.FileSystemDataset.from_paths(
        [str(root / one.name) for one in chosen],
        schema=schema,
        format=ds.ParquetFileFormat(),
        filesystem=pafs.LocalFileSystem(),
        partitions=[_span(one.hour, by_second=by_second) for one in chosen],
    )


def _overlaps(one: Segment, from_s: int, to_s: int) -> bool:
    return from_s < (one.hour + 1) * HOUR_S and one.hour * HOUR_S < to_s


def _span(hour: int, *, by_second: bool) -> ds.Expression:
    at = datetime.fromtimestamp(hour * HOUR_S, UTC)
    named = (ds.field("date") == pa.scalar(at.date())) & (ds.field("hour") == pa.scalar(at.hour, pa.int32()))
    second = ds.field("second")
    return named & (second >= hour * HOUR_S) & (second < (hour + 1) * HOUR_S) if by_second else named


def _described(settings: Settings, connection: duckdb.DuckDBPyConnection) -> Iterator[dict[str, Any]]:
    root = segments.archive_folder(settings)
    for view, (name, _sql) in VIEWS.items():
        listed = segments.segments(root, f"{settings.topic_prefix}.{name}")
        first, last = connection.query(f"SELECT min(second), max(second) FROM {name}_all").fetchall()[0]  # noqa: S608
        yield {
            "table": view,
            "columns": ", ".join(connection.query(f"DESCRIBE {view}").to_arrow_table()["column_name"].to_pylist()),
            "from": _utc(first),
            "to": _utc(last),
            "files": len(listed),
            "size_mb": round(sum((root / one.name).stat().st_size for one in listed) / 1e6, 3),
        }


def _utc(second: int | None) -> str | None:
    return None if second is None else f"{datetime.fromtimestamp(second, UTC):%Y-%m-%d %H:%M:%S}"


@contextmanager
def _time_limit(connection: duckdb.DuckDBPyConnection, timeout_s: float) -> Iterator[None]:
    timer = Timer(timeout_s, connection.interrupt)
    timer.start()
    try:
        yield
    except duckdb.InterruptException as error:
        raise ArchiveError(f"the archive took longer than {timeout_s:g} s: choose a shorter span") from error
    finally:
        timer.cancel()


def _one_line(error: Exception) -> str:
    # "Binder Error: Referenced column "x" not found…\n\nLINE 1: …" → one line
    return re.sub(r"\s+", " ", str(error).split("\n\nLINE")[0]).strip()
