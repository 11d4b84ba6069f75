"""SQL over the archive."""

from pathlib import Path
from typing import Any

import pytest

from app.archive import compaction, query
from app.archive.parquet import ArchiveError
from app.archive.segments import archive_folder
from app.settings import Settings
from tests.archive.batches import (
    T0,
    archived,
    feature_batch,
    rows,
    tick_batch,
)


@pytest.mark.parametrize(
    "sql",
    [
        "select * from read_csv('{file}')",
        "select * from '{file}'",
        "copy ticks to '{new}'",
        "with x as (copy (select 1) to '{new}') select 1",
        "attach '{new}'",
        "set enable_external_access = true",
        "install httpfs",
        "delete from ticks",
    ],
)
def test_a_query_cannot_reach_beyond_the_archive(settings: Settings, tmp_path: Path, sql: str) -> None:
    """No statement reads another file, writes one or loads code."""
    archived(settings, "ticks", tick_batch(T0))
    secret, new = tmp_path / "secret.csv", tmp_path / "new"
    secret.write_text("a,b\n1,2\n")
    with pytest.raises(ArchiveError):
        query.query(settings, sql.format(file=secret, new=new))
    assert not new.exists()


@pytest.mark.parametrize("sql", ["selec 1", "select nothing from ticks", "select * from nowhere", "select 1/"])
def test_a_bad_query_is_refused_in_one_line(settings: Settings, sql: str) -> None:
    """The reason, without a traceback."""
    archived(settings, "ticks", tick_batch(T0))
    with pytest.raises(ArchiveError) as caught:
        query.query(settings, sql)
    assert "\n" not in str(caught.value)


def test_an_empty_archive_says_what_to_do(settings: Settings) -> None:
    """The user reads which archive is empty and what fills it."""
    with pytest.raises(ArchiveError, match="is empty: start `btc up`"):
        query.query(settings, "select 1")


async def test_history_returns_a_span_of_one_symbol(settings: Settings) -> None:
    """From is included, to is not, the rest is bound and quoted."""
    archived(settings, "features", *(feature_batch(T0 + n) for n in range(5)))
    found = await query.history(settings, "bars", "BTCUSDT", T0 + 1, T0 + 3, columns=["second", "close"])
    assert found == [{"second": T0 + 1, "close": 3.0}, {"second": T0 + 2, "close": 3.0}]
    assert len(await query.history(settings, "bars", "BTCUSDT", T0, T0 + 9, limit=2)) == 2
    assert await query.history(settings, "bars", "x' or 1=1 --", T0, T0 + 9) == []
    with pytest.raises(ArchiveError, match="no table"):
        await query.history(settings, "secrets", "BTCUSDT", T0, T0 + 9)
    with pytest.raises(ArchiveError):
        await query.history(settings, "bars", "BTCUSDT", T0, T0 + 9, columns=['"; drop table bars; --'])


async def test_history_of_an_empty_archive_is_empty(settings: Settings) -> None:
    """The API reads before the first file is written."""
    assert await query.history(settings, "predictions", "BTCUSDT", T0, T0 + 9) == []


def test_a_file_merged_away_meanwhile_is_no_error(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A query that lists files just before they are merged still gets its rows."""
    buffer = archived(settings, "ticks", tick_batch(T0))
    archived(settings, "ticks", tick_batch(T0 + 1), first=1, buffer=buffer)
    archived(settings, "ticks", tick_batch(T0 + 3600), first=2, buffer=buffer)
    root, open_archive = archive_folder(settings), query._open

    def then_merged(*given: Any, **more: Any) -> Any:
        connection = open_archive(*given, **more)
        compaction.compact(root, ["btc.ticks"], keep_days=9e9)
        return connection

    monkeypatch.setattr(query, "_open", then_merged)
    assert rows(settings, "select count(*) as n from ticks") == [{"n": 6}]
