"""Messages as rows of the archive's tables."""

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
