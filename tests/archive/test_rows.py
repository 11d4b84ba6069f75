"""Messages as rows of the archive's tables."""

from decimal import Decimal

import pyarrow as pa
import pytest

from app.archive import rows as archive_rows
from app.archive.schema import QUOTE, TICKS, TRADE
from app.records import Book, Ticks, Trades
from app.settings import Settings
from tests.archive.batches import (
    LEVELS,
    T0,
    archived,
    feature_batch,
    outcome_batch,
    prediction_batch,
    rows,
    tick_batch,
)


def test_trades_and_quotes_are_rows(settings: Settings) -> None:
    """Lists of structs come out as one row per trade and per quote."""
    archived(settings, "ticks", tick_batch(T0))
    assert [(r["symbol"], r["id"], r["price"]) for r in rows(settings, "select * from trades order by id")] == [
        ("BTCUSDT", T0, 100.0),
        ("BTCUSDT", T0 + 1, 100.5),
    ]
    assert [(r["bid"], r["ask_size"]) for r in rows(settings, "select * from quotes")] == [(99.0, 3.0)]


OLD = {
    TRADE: {"id", "time_ms", "price", "quantity", "buyer_maker"},
    QUOTE: {"time_ms", "bid", "bid_size", "ask", "ask_size"},
}
FINE = Trades(
    id=[7, 8], time_ms=[T0 * 1000, T0 * 1000 + 1], price=[0.00001234, 12345678901.23456789], quantity=[1.0, 2.0],
    buyer_maker=[True, False], microsecond=[0, 250], first_id=[70, 72], last_id=[71, 72], received_ns=[5, 6],
    connection=[3, 0], exact=[("price", 1, "12345678901.23456789")],
)  # fmt: skip
SNAPSHOT = Book(time_ms=T0 * 1000, update_id=160, bid=[9.0, 8.0], bid_size=[1.0, 2.0], ask=[10.0], ask_size=[3.0])


def test_the_exact_decimals_and_the_microsecond_of_a_trade_are_kept(settings: Settings) -> None:
    """As DECIMAL by the cast that the schema names."""
    archived(settings, "ticks", tick_batch(T0, symbols={"BTCUSDT": Ticks(trades=FINE)}))
    exact = "coalesce(price_exact, price::VARCHAR)::DECIMAL(38, 12)"
    found = rows(settings, f"select *, {exact} as exact from trades order by id")
    assert [row["exact"] for row in found] == [Decimal("0.00001234"), Decimal("12345678901.23456789")]
    assert [row["time_us"] for row in found] == [T0 * 10**6, T0 * 10**6 + 1250]
    assert [(row["first_id"], row["last_id"]) for row in found] == [(70, 71), (72, 72)]
    assert [(row["received_ns"], row["connection"]) for row in found] == [(5, 3), (6, 0)]


def test_a_book_is_a_row_and_its_absence_none(settings: Settings) -> None:
    """Levels come out as lists, the best one first."""
    symbols = {"BTCUSDT": Ticks(book=SNAPSHOT), "ETHUSDT": Ticks()}
    archived(settings, "ticks", tick_batch(T0, symbols=symbols))
    (row,) = rows(settings, "select symbol, second, update_id, bid, bid_size, ask from books")
    assert row == {"symbol": "BTCUSDT", "second": T0, "update_id": 160, "bid": [9.0, 8.0], "bid_size": [1.0, 2.0],
                   "ask": [10.0]}  # fmt: skip


def test_a_batch_of_an_older_collector_has_nulls(settings: Settings) -> None:
    """It is archived, and so are the columns it has."""
    archived(settings, "ticks", tick_batch(T0))
    (row, _) = rows(settings, "select time_us, connection, price, price_exact from trades order by id")
    assert row == {"time_us": None, "connection": None, "price": 100.0, "price_exact": None}


def test_a_file_of_an_older_archive_is_read_beside_a_new_one(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Columns that it lacks are null."""
    trade, quote = ([field for field in kind if field.name in names] for kind, names in OLD.items())
    with monkeypatch.context() as old:
        old.setattr(archive_rows, "TRADE", pa.struct(trade))
        old.setattr(archive_rows, "QUOTE", pa.struct(quote))
        lists = {"trades": pa.list_(pa.struct(trade)), "quotes": pa.list_(pa.struct(quote))}
        schema = pa.schema([(f.name, lists.get(f.name, f.type)) for f in TICKS if f.name != "book"])
        old.setattr(archive_rows, "TICKS", schema)
        buffer = archived(settings, "ticks", tick_batch(T0))
    archived(settings, "ticks", tick_batch(T0 + 1, symbols={"BTCUSDT": Ticks(trades=FINE, book=SNAPSHOT)}),
             first=1, buffer=buffer)  # fmt: skip
    found = rows(settings, "select id, received_ns from trades order by second, id")
    assert [row["received_ns"] for row in found] == [None, None, 5, 6]
    assert rows(settings, "select count(*) as n from books") == [{"n": 1}]


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
    """Settled and void forecasts are rows of one table; scores keep their coverage."""
    archived(settings, "outcomes", outcome_batch(T0))
    found = rows(settings, "select symbol, origin, realised, void from outcomes order by symbol")
    assert found == [
        {"symbol": "BTCUSDT", "origin": T0 - 5, "realised": 0.01, "void": None},
        {"symbol": "ETHUSDT", "origin": T0 - 5, "realised": None, "void": "unpriced"},
    ]
    (score,) = rows(settings, "select model, n, coverage, pit from scores")
    assert score == {"model": "a", "n": 7, "coverage": {"0.9": 0.91}, "pit": [0.1, 0.9]}


def test_scores_are_kept_once_a_minute_and_settlements_always(settings: Settings) -> None:
    """They change slowly, and every second of them was nine tenths of the archive."""
    minute = T0 - T0 % 60
    archived(settings, "outcomes", *(outcome_batch(minute + n) for n in range(0, 180, 5)))
    assert rows(settings, "select count(*) as n from scores") == [{"n": 3}]
    assert rows(settings, "select count(*) as n from outcomes") == [{"n": 2 * 36}]


def test_a_batch_without_symbols_is_archived(settings: Settings) -> None:
    """No rows, but the offset is covered."""
    archived(
        settings,
        "predictions",
        prediction_batch(T0, symbols=[], mid=[], priced=[], volatility=[], flags=[], forecasts=[]),
    )
    assert rows(settings, "select count(*) as n from predictions") == [{"n": 0}]
