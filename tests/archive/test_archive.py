"""The archive without a broker: ledger, files, lines, upkeep and questions."""

import errno
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest
from aiokafka import TopicPartition
from typer.testing import CliRunner

from app.archive import cli, compaction, parquet, query
from app.archive import segments as archive_ledger
from app.archive import writer as archive_writer
from app.archive.archiver import Archive, _alone
from app.archive.parquet import ArchiveError, SegmentNote
from app.archive.partition_buffer import PartitionBuffer
from app.archive.rows import SHAPES
from app.archive.segments import Segment, expired, mergeable, newest, segments, sweep
from app.records import (
    FeatureBatch,
    Forecast,
    OutcomeBatch,
    PredictionBatch,
    Quotes,
    Record,
    Score,
    Settlement,
    TickBatch,
    Ticks,
    Trades,
)
from app.settings import Settings

T0 = 1_700_000_000 // 3600 * 3600
HOUR = T0 // 3600
LEVELS = [0.05, 0.25, 0.5, 0.75, 0.95]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Return settings with a folder of their own."""
    return Settings(data_dir=tmp_path)


def segment(first: int, last: int, hour: int = HOUR, partition: int = 0, epoch: int = 0) -> Segment:
    return Segment("btc.ticks", partition, epoch, first, last, hour)


def touch(root: Path, *listed: Segment) -> None:
    for one in listed:
        (root / one.name).parent.mkdir(parents=True, exist_ok=True)
        (root / one.name).touch()


def tick_batch(second: int, **more: Any) -> TickBatch:
    trades = Trades(
        id=[second, second + 1],
        time_ms=[second * 1000, second * 1000 + 5],
        price=[100.0, 100.5],
        quantity=[1.0, 2.0],
        buyer_maker=[True, False],
    )
    quotes = Quotes(time_ms=[second * 1000], bid=[99.0], bid_size=[1.0], ask=[101.0], ask_size=[3.0])
    symbols = {"BTCUSDT": Ticks(trades=trades, quotes=quotes, last_id=second + 1), "ETHUSDT": Ticks()}
    fields: dict[str, Any] = {"partition": 0, "second": second, "closed_ms": 1.0, "symbols": symbols}
    return TickBatch(**fields | more)


def feature_batch(second: int, **more: Any) -> FeatureBatch:
    bars = {"open": [1.0, 2.0], "close": [3.0, 4.0]}
    fields: dict[str, Any] = {"partition": 0, "second": second, "closed_ms": 1.0, "sent_ms": 2.0, "bars": bars}
    fields |= {"symbols": ["BTCUSDT", "ETHUSDT"], "feature_schema": "f", "features": {}, "flags": [["late"], []]}
    return FeatureBatch(**fields | more)


def prediction_batch(second: int, **more: Any) -> PredictionBatch:
    def forecast(model: str, base: float) -> Forecast:
        mean = [[base + symbol + horizon / 10 for horizon in range(2)] for symbol in range(2)]
        quantiles = [[[value + level for level in LEVELS] for value in row] for row in mean]
        return Forecast(model=model, kind="ridge", role="champion", mean=mean, quantiles=quantiles)

    fields: dict[str, Any] = {"partition": 0, "second": second, "closed_ms": 1.0, "sent_ms": 2.0}
    fields |= {"symbols": ["BTCUSDT", "ETHUSDT"], "flags": [[], ["unpriced"]], "volatility": [0.1, 0.2]}
    fields |= {"mid": [100.0, 0.0], "priced": [True, False], "horizons_s": [5, 10], "levels": LEVELS, "champion": "b"}
    return PredictionBatch(**fields | {"forecasts": [forecast("a", 0.0), forecast("b", 10.0)]} | more)


def outcome_batch(second: int) -> OutcomeBatch:
    settled = Settlement(
        horizon_s=5, origin=second - 5, symbols=["BTCUSDT"], realised=[0.01], void={"unpriced": ["ETHUSDT"]}
    )
    numbers = dict.fromkeys(
        ("weight", "mae", "rmse", "pinball", "skill", "skill_low", "skill_high", "p_value", "r2", "direction"), 0.5
    )
    score = Score(
        symbol="*", model="a", kind="ridge", role="champion", horizon_s=5, n=7, coverage={"0.9": 0.91},
        pit=[0.1, 0.9], **numbers,
    )  # fmt: skip
    return OutcomeBatch(partition=0, second=second, closed_ms=1.0, sent_ms=2.0, settled=[settled], scores=[score])


def message(offset: int, record: Record | bytes, timestamp: int = T0 * 1000) -> Any:
    payload = record if isinstance(record, bytes) else msgspec.json.encode(record)
    return SimpleNamespace(offset=offset, timestamp=timestamp, value=payload)


def line_of(name: str) -> PartitionBuffer:
    return PartitionBuffer(TopicPartition(f"btc.{name}", 0), SHAPES[name])


def archived(
    settings: Settings, name: str, *records: Record | bytes, first: int = 0, line: PartitionBuffer | None = None
) -> PartitionBuffer:
    """Write records as one file, as the process would."""
    line = line or line_of(name)
    for offset, record in enumerate(records, first):
        note = message(offset, record)
        line.take(note, line.decoded(note, live=False))
    ready = line.ready()
    assert ready
    parquet.write(archive_ledger.folder(settings), *ready)
    line.clear()
    return line


def rows(settings: Settings, sql: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = query.query(settings, sql).to_pylist(maps_as_pydicts="strict")
    return found


# ── ledger ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_file_names_tell_what_is_archived(tmp_path: Path) -> None:
    """A segment survives the way through its file name."""
    listed = [segment(0, 9), segment(10, 19, HOUR + 1), segment(0, 4, partition=2)]
    touch(tmp_path, *listed)
    assert segments(tmp_path, "btc.ticks") == sorted(listed)
    assert newest(listed) == {0: segment(10, 19, HOUR + 1), 2: segment(0, 4, partition=2)}


def test_parts_of_a_merged_file_are_not_listed_and_are_swept(tmp_path: Path) -> None:
    """A crash between rename and removal shows no message twice."""
    touch(tmp_path, segment(0, 9), segment(10, 19), segment(0, 19), segment(20, 29))
    assert segments(tmp_path, "btc.ticks") == [segment(0, 19), segment(20, 29)]
    assert sweep(tmp_path, "btc.ticks") == 2
    assert len(list(tmp_path.rglob("*.parquet"))) == 2


def test_unfinished_files_are_swept_and_foreign_ones_are_not(tmp_path: Path) -> None:
    """What a crash left behind goes; what somebody else put there stays."""
    touch(tmp_path, segment(0, 9))
    folder = (tmp_path / segment(0, 9).name).parent
    (folder / (Path(segment(10, 19).name).name + ".part")).touch()
    (folder / "private.txt").touch()
    assert sweep(tmp_path, "btc.ticks") == 1
    assert (folder / "private.txt").exists()


def test_a_new_epoch_counts_as_newer_whatever_its_offsets() -> None:
    """A topic made anew goes on from its own offsets."""
    assert newest([segment(500, 599), segment(0, 9, epoch=1)])[0].epoch == 1


def test_only_neighbours_of_finished_hours_are_merged() -> None:
    """A merged range never spans a file of another hour, or that one would count as contained."""
    a, b, c, d, e = (segment(n, n, HOUR + hour) for n, hour in enumerate([0, 0, 1, 0, 2]))
    assert list(mergeable([e, d, c, b, a])) == [[a, b]]


def test_retention_keeps_the_newest_file_of_each_partition() -> None:
    """However old it is, it says where to go on."""
    old, older_mark = segment(0, 9, HOUR - 100), segment(0, 9, HOUR - 100, partition=1)
    fresh = segment(10, 19)
    assert expired([old, fresh, older_mark], (HOUR + 1) * 3600.0, keep_days=1.0) == [old]


def test_one_batch_of_a_far_future_does_not_empty_the_archive(tmp_path: Path) -> None:
    """Retention counts from the newest data, but never from later than tomorrow."""
    touch(tmp_path, segment(0, 9), segment(10, 19), segment(20, 29, HOUR + 1_000_000))
    now = compaction._now({"btc.ticks": segments(tmp_path, "btc.ticks")}, float(T0))
    assert now == T0 + 86_400
    assert expired(segments(tmp_path, "btc.ticks"), now, keep_days=2.0) == []


# ── lines and files ───────────────────────────────────────────────────────────────────────────────────────────


def test_every_offset_is_covered_even_by_what_cannot_be_read(settings: Settings) -> None:
    """Unreadable messages are in the range, noted and counted, and have no rows."""
    hostile = [b"", b"{", b"[" * 100_000, b'{"second": 1e400}', msgspec.json.encode(tick_batch(10**17))]
    uneven = tick_batch(T0 + 1, symbols={"X": Ticks(trades=Trades(id=[1, 2], time_ms=[1]))})
    huge = tick_batch(T0 + 2, symbols={"X": Ticks(last_id=2**63)})
    archived(settings, "ticks", *hostile, tick_batch(T0), uneven, huge, tick_batch(T0, partition=3))
    (only,) = segments(archive_ledger.folder(settings), "btc.ticks")
    note = parquet.note_of(archive_ledger.folder(settings) / only.name)
    assert (only.first, only.last) == (0, 8)
    assert (note.messages, note.skipped, note.skipped_offsets) == (9, 8, [0, 1, 2, 3, 4, 6, 7, 8])
    assert {row["kafka_offset"] for row in rows(settings, "select * from ticks")} == {5}


def test_a_second_that_has_not_come_is_refused_when_live() -> None:
    """The agents refuse it too; a fast replay is ahead of Kafka's clock by nature."""
    line, early = line_of("ticks"), message(0, tick_batch(T0 + 3600))
    assert line.decoded(early, live=True) is None
    assert line.decoded(early, live=False) is not None


def test_a_file_never_mixes_hours() -> None:
    """A message of the next hour does not belong to those held."""
    line = line_of("ticks")
    line.take(message(0, b""), tick_batch(T0 + 3599))
    assert line.belongs(tick_batch(T0 + 3598))
    assert line.belongs(None)
    assert not line.belongs(tick_batch(T0 + 3600))


def test_repeats_are_archived_but_marked(settings: Settings) -> None:
    """A second sent twice and an older collector's batch are in the file and not in the tables."""
    line = archived(settings, "ticks", tick_batch(T0, generation=2), tick_batch(T0, generation=2))
    archived(settings, "ticks", tick_batch(T0 + 1, generation=1), tick_batch(T0 + 2, generation=2), first=2, line=line)
    assert rows(settings, "select count(*) as n from ticks_all") == [{"n": 8}]
    assert [r["second"] for r in rows(settings, "select distinct second from ticks order by 1")] == [T0, T0 + 2]


def test_a_line_resumes_from_its_last_file(settings: Settings) -> None:
    """Next offset, newest second and generation come back from the file's name and note."""
    before = archived(settings, "ticks", tick_batch(T0, generation=3), first=41)
    root = archive_ledger.folder(settings)
    last = newest(segments(root, "btc.ticks"))[0]
    line = PartitionBuffer.resumed(before.place, "ticks", last, parquet.note_of(root / last.name))
    assert (line.next, line.newest_second, line.generation, line.written_ms) == (42, T0, 3, T0 * 1000)


def test_a_full_disk_leaves_nothing_behind(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The temporary file goes, and what is held stays held."""
    line = line_of("ticks")
    line.take(message(0, b""), tick_batch(T0))

    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    ready = line.ready()
    assert ready
    with pytest.raises(OSError, match="No space"):
        parquet.write(archive_ledger.folder(settings), *ready)
    assert not list(settings.data_dir.rglob("*.parquet*"))
    assert line.ready() is not None


async def test_a_full_disk_is_tried_until_it_has_space(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three refusals, one stall, then the same rows are on disk."""
    progress = dict.fromkeys(("stalled", "files", "size_mb"), 0.0)
    root, refusals = archive_ledger.folder(settings), [errno.ENOSPC, errno.EIO, errno.ENOSPC]
    writer, write, stalled = archive_writer.Writer(root, settings, ["btc.ticks"], progress), parquet.write, []

    def moody(*given: Any) -> int:
        if refusals:
            raise OSError(refusals.pop(), "refused")
        stalled.append(progress["stalled"])
        return write(*given)

    monkeypatch.setattr(parquet, "write", moody)
    monkeypatch.setattr(archive_writer, "FIRST_WAIT_S", 0.0)
    line = line_of("ticks")
    line.take(message(0, b""), tick_batch(T0))
    await writer.write(line)
    await writer.close([line])
    assert (stalled, progress["stalled"], progress["files"]) == ([1.0], 0.0, 1.0)
    assert line.first is None
    assert len(rows(settings, "select * from ticks")) == 2


def test_a_damaged_file_is_named_with_what_to_do(settings: Settings) -> None:
    """A person reads which file and what to do."""
    touch(archive_ledger.folder(settings), segment(0, 9))
    with pytest.raises(ArchiveError, match=r"p000-e0.*move it away"):
        parquet.note_of(archive_ledger.folder(settings) / segment(0, 9).name)


def test_a_second_writer_is_refused(settings: Settings) -> None:
    """Two processes on one folder would archive messages twice."""
    root = archive_ledger.folder(settings)
    with _alone(root), pytest.raises(ArchiveError, match="another process"), _alone(root):
        pass


def test_a_finished_hour_becomes_one_file_with_the_same_rows(settings: Settings) -> None:
    """Merging changes the number of files and nothing else, not even when columns differ."""
    line = archived(settings, "features", feature_batch(T0), b"?")
    archived(
        settings, "features", feature_batch(T0 + 1, bars={"close": [5.0, 6.0], "vwap": [7.0, 8.0]}), first=2, line=line
    )
    archived(settings, "features", feature_batch(T0 + 3600), first=3, line=line)
    before = rows(settings, "select * from bars order by second, symbol")
    compaction.tidy(archive_ledger.folder(settings), ["btc.features"], keep_days=9e9)
    root = archive_ledger.folder(settings)
    merged, last = segments(root, "btc.features")
    assert (merged.first, merged.last, last.first, last.last) == (0, 2, 3, 3)
    assert len(list(root.rglob("*.parquet"))) == 2
    assert parquet.note_of(root / merged.name) == SegmentNote(
        messages=3, written_ms=T0 * 1000, newest_second=T0 + 1, generation=0, skipped=1, skipped_offsets=[1]
    )
    assert rows(settings, "select * from bars order by second, symbol") == before


def test_expired_hours_go_with_their_folders(settings: Settings) -> None:
    """Retention removes whole hours, and days that became empty."""
    line = archived(settings, "ticks", tick_batch(T0))
    archived(settings, "ticks", tick_batch(T0 + 5 * 86_400), first=1, line=line)
    root = archive_ledger.folder(settings)
    compaction.tidy(root, ["btc.ticks"], keep_days=2.0)
    assert [one.first for one in segments(root, "btc.ticks")] == [1]
    assert len(list((root / "btc.ticks").iterdir())) == 1


def test_files_are_zstd(settings: Settings) -> None:
    """Every column is compressed."""
    archived(settings, "ticks", tick_batch(T0))
    (path,) = settings.data_dir.rglob("*.parquet")
    group = pq.ParquetFile(path).metadata.row_group(0)
    assert {group.column(n).compression for n in range(group.num_columns)} == {"ZSTD"}


# ── questions ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_trades_and_quotes_are_rows(settings: Settings) -> None:
    """Lists of structs come out as one row per trade and per quote."""
    archived(settings, "ticks", tick_batch(T0))
    assert [(r["symbol"], r["id"], r["price"]) for r in rows(settings, "select * from trades order by id")] == [
        ("BTCUSDT", T0, 100.0),
        ("BTCUSDT", T0 + 1, 100.5),
    ]
    assert [(r["bid"], r["ask_size"]) for r in rows(settings, "select * from quotes")] == [(99.0, 3.0)]


def test_bars_have_a_column_per_channel(settings: Settings) -> None:
    """Channels come out by their names, flags as lists."""
    archived(settings, "features", feature_batch(T0))
    found = rows(settings, "select symbol, open, close, flags from bars order by symbol")
    assert found[0] == {"symbol": "BTCUSDT", "open": 1.0, "close": 3.0, "flags": ["late"]}


def test_predictions_are_rows_of_model_symbol_and_horizon(settings: Settings) -> None:
    """Each row carries the mean and quantiles of its own forecast."""
    archived(settings, "predictions", prediction_batch(T0))
    found = rows(settings, "select * from predictions where champion and symbol = 'ETHUSDT' and horizon_s = 10")
    assert len(rows(settings, "select * from predictions")) == 8
    (row,) = found
    assert (row["model"], row["mean"], row["mid"], row["volatility"], row["flags"]) == (
        "b",
        11.1,
        None,
        0.2,
        ["unpriced"],
    )
    assert [row[f"q{level}"] for level in ("05", "25", "50", "75", "95")] == [11.1 + level for level in LEVELS]


def test_outcomes_and_scores_are_rows(settings: Settings) -> None:
    """Settled and void forecasts stand side by side; scores keep their coverage."""
    archived(settings, "outcomes", outcome_batch(T0))
    found = rows(settings, "select symbol, origin, realised, void from outcomes order by symbol")
    assert found == [
        {"symbol": "BTCUSDT", "origin": T0 - 5, "realised": 0.01, "void": None},
        {"symbol": "ETHUSDT", "origin": T0 - 5, "realised": None, "void": "unpriced"},
    ]
    (score,) = rows(settings, "select model, n, coverage, pit from scores")
    assert score == {"model": "a", "n": 7, "coverage": {"0.9": 0.91}, "pit": [0.1, 0.9]}


def test_a_batch_without_symbols_is_archived(settings: Settings) -> None:
    """No rows, but the offset is covered."""
    archived(
        settings,
        "predictions",
        prediction_batch(T0, symbols=[], mid=[], priced=[], volatility=[], flags=[], forecasts=[]),
    )
    assert rows(settings, "select count(*) as n from predictions") == [{"n": 0}]


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
def test_a_question_cannot_reach_beyond_the_archive(settings: Settings, tmp_path: Path, sql: str) -> None:
    """No statement reads another file, writes one or loads code."""
    archived(settings, "ticks", tick_batch(T0))
    secret, new = tmp_path / "secret.csv", tmp_path / "new"
    secret.write_text("a,b\n1,2\n")
    with pytest.raises(ArchiveError):
        query.query(settings, sql.format(file=secret, new=new))
    assert not new.exists()


@pytest.mark.parametrize("sql", ["selec 1", "select nothing from ticks", "select * from nowhere", "select 1/"])
def test_a_bad_question_is_answered_in_one_line(settings: Settings, sql: str) -> None:
    """The reason, without a traceback."""
    archived(settings, "ticks", tick_batch(T0))
    with pytest.raises(ArchiveError) as caught:
        query.query(settings, sql)
    assert "\n" not in str(caught.value)


def test_an_empty_archive_says_what_to_do(settings: Settings) -> None:
    """A person reads where nothing is and what fills it."""
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
    """The API asks before the first file is written."""
    assert await query.history(settings, "predictions", "BTCUSDT", T0, T0 + 9) == []


def test_a_file_merged_away_meanwhile_means_asking_again(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A question that lists files just before they are merged still gets its answer."""
    line = archived(settings, "ticks", tick_batch(T0))
    archived(settings, "ticks", tick_batch(T0 + 1), first=1, line=line)
    archived(settings, "ticks", tick_batch(T0 + 3600), first=2, line=line)
    root, opened = archive_ledger.folder(settings), query._opened

    def then_merged(*given: Any, **more: Any) -> Any:
        door = opened(*given, **more)
        compaction.tidy(root, ["btc.ticks"], keep_days=9e9)
        return door

    monkeypatch.setattr(query, "_opened", then_merged)
    assert rows(settings, "select count(*) as n from ticks") == [{"n": 6}]


@pytest.fixture
def prompt(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    """Return a prompt on an archive of one second."""
    archived(settings, "ticks", tick_batch(T0))
    monkeypatch.setattr(cli, "settings", lambda: settings)
    return CliRunner()


def test_the_prompt_prints_tables_csv_and_json(prompt: CliRunner) -> None:
    """The same rows in three forms."""
    ask = ["query", "select symbol, id, price from trades order by id limit 1", "--format"]
    assert "BTCUSDT" in prompt.invoke(cli.archive_app, [*ask, "table"]).stdout
    assert prompt.invoke(cli.archive_app, [*ask, "csv"]).stdout == f"symbol,id,price\nBTCUSDT,{T0},100.0\n"
    found = json.loads(prompt.invoke(cli.archive_app, [*ask, "json"]).stdout)
    assert found == {"symbol": "BTCUSDT", "id": T0, "price": 100.0}


def test_the_prompt_lists_tables_and_refuses_in_one_line(prompt: CliRunner) -> None:
    """Every table is listed; a bad question ends with 1 and one line."""
    listed = prompt.invoke(cli.archive_app, ["tables", "--format", "json"]).stdout.splitlines()
    assert [json.loads(line)["table"] for line in listed] == list(query.TABLES)
    refused = prompt.invoke(cli.archive_app, ["query", "selec 1"])
    assert (refused.exit_code, len(refused.stderr.splitlines())) == (1, 1)


def test_progress_starts_at_zero(settings: Settings) -> None:
    """Heartbeats can show it from the first moment."""
    assert set(Archive(settings).progress.values()) == {0.0}
