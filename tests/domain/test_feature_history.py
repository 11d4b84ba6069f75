"""Features of history equal those of the live windows."""

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain import feature_history, features
from app.domain.bars import CHANNELS, Channel, Floats
from app.domain.windows import FeatureRows, SymbolWindows
from app.records import FeatureBatch, TickBatch, Ticks

Market = Callable[..., list[TickBatch]]
START = 1_700_000_000


def live(batches: list[TickBatch], window_s: int) -> list[FeatureRows]:
    """Return the rows after each batch."""
    windows, rows = SymbolWindows(window_s), []
    for batch in batches:
        windows.update(batch)
        rows.append(windows.feature_rows())
    return rows


def published(rows: list[FeatureRows]) -> list[FeatureBatch]:
    """Return the rows as they arrive over the wire."""
    sent = [
        FeatureBatch(
            partition=0,
            second=row.second,
            closed_ms=0.0,
            sent_ms=0.0,
            feature_schema=features.SCHEMA,
            symbols=row.symbols,
            bars={name: values.tolist() for name, values in row.bars.items()},
            features={},
            flags=row.flags,
        )
        for row in rows
    ]
    return msgspec.json.decode(msgspec.json.encode(sent), type=list[FeatureBatch])


def bars_of(batches: list[FeatureBatch], symbol: str) -> Floats:
    """Return the bars of a symbol in published batches, on a grid of every second."""
    batches = [batch for batch in batches if symbol in batch.symbols]
    rows = [[batch.bars[name][batch.symbols.index(symbol)] for name in CHANNELS] for batch in batches]
    return feature_history.on_second_grid(np.array([batch.second for batch in batches]), np.array(rows))


def assert_equal(past: feature_history.FeatureHistory, rows: list[FeatureRows], symbol: str) -> None:
    """Every second that came has the same bits in history as live."""
    for row in rows:
        if symbol not in row.symbols:
            continue
        t, s = row.second - rows[0].second, row.symbols.index(symbol)
        np.testing.assert_array_equal(past.features[t], row.features[s])
        assert past.volatility[t] == row.volatility[s]
        assert past.mid[t] == (row.bars["mid"][s] or row.bars["price"][s])
        assert past.valid[t] == (past.mid[t] > 0 and not {"gapped", "warming_up"} & set(row.flags[s]))


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), holes=st.sampled_from([0.0, 0.05, 0.4]), quotes=st.booleans())
def test_published_seconds_give_the_features_of_the_live_path_bit_for_bit(
    market: Market, seed: int, holes: float, quotes: bool
) -> None:
    """Bars that went over the wire as JSON train the model on exactly what it sees live, gaps included."""
    rows = live(market(seed, ["AUSDT", "BUSDT"], 150, holes=holes, quoted=quotes), 40)
    bars = bars_of(published(rows), "BUSDT")
    assert_equal(feature_history.feature_matrix(bars, 40), rows, "BUSDT")


def test_history_equals_live_at_full_size_and_across_chunks(market: Market) -> None:
    """Ten minutes with 300-second windows."""
    rows = live(market(1, ["AUSDT"], 600, holes=0.001), 300)
    past = feature_history.feature_matrix(bars_of(published(rows), "AUSDT"))
    assert_equal(past, rows, "AUSDT")
    assert past.valid.any()


def kline(second: int, ticks: Ticks, price: float) -> list[Any]:
    """Return the kline of a second as Binance's REST sends it."""
    trades = ticks.trades
    paid = np.array(trades.price or [price])
    quantity = np.array(trades.quantity)
    bought = np.bincount([0] * len(quantity), quantity * (1.0 - np.array(trades.buyer_maker)), 1)[0]
    volume = np.bincount([0] * len(quantity), quantity, 1)[0]
    notional = np.bincount([0] * len(quantity), quantity * paid[: len(quantity)], 1)[0]
    low, high = repr(float(paid.min())), repr(float(paid.max()))
    return [
        second * 1000, repr(float(paid[0])), high, low, repr(float(paid[-1])), repr(float(volume)),
        second * 1000 + 999, repr(float(notional)), len(quantity), repr(float(bought)), "0", "0",
    ]  # fmt: skip


def test_klines_give_the_bars_and_features_of_the_same_trades_seen_live(market: Market) -> None:
    """A market without quotes is the same to the model whether it came as trades or as klines, gap included."""
    batches = market(2, ["AUSDT"], 500, quoted=False)
    batches = batches[next(i for i, b in enumerate(batches) if b.symbols["AUSDT"].trades.price) :]
    batches = [strip(batch) for batch in batches[:200] + batches[210:]]
    rows, klines, price = live(batches, 300), [], 0.0
    for batch in batches:
        klines.append(kline(batch.second, batch.symbols["AUSDT"], price))
        price = float(klines[-1][4])
    bars = feature_history.bars_of_klines(klines)
    for row in rows:
        np.testing.assert_array_equal(bars[row.second - rows[0].second], [row.bars[name][0] for name in CHANNELS])
    assert_equal(feature_history.feature_matrix(bars), rows, "AUSDT")


def strip(batch: TickBatch) -> TickBatch:
    """Return the second with trades alone: no lateness, no skipped ids."""
    ticks = {name: Ticks(trades=value.trades) for name, value in batch.symbols.items()}
    return TickBatch(partition=0, second=batch.second, closed_ms=0.0, symbols=ticks)


def row_of(second: int, close: Any = "100.0") -> list[Any]:
    """Return a kline of one trade."""
    return [second * 1000, close, close, close, close, "1", second * 1000 + 999, "100", 1, "1", "100", "0"]


def test_klines_may_come_in_any_order_twice_and_broken() -> None:
    """Rows are sorted, the first of two counts, an impossible number leaves the second absent."""
    rows = [
        row_of(START + 3),
        row_of(START, "99.0"),
        row_of(START, "77.0"),
        row_of(START + 1, "nan"),
        row_of(START + 2),
    ]
    bars = feature_history.bars_of_klines(rows)
    assert bars[:, Channel.PRICE].tolist() == [99.0, 0.0, 100.0, 100.0]
    assert bars[:, Channel.PRESENT].tolist() == [1.0, 0.0, 1.0, 1.0]
    assert bars[:, Channel.SPAN_S].tolist() == [0.0, 0.0, 2.0, 1.0]


@pytest.mark.parametrize("rows", [[["a", "b"]], [[1, 2, 3]], [row_of(START), [1]]])
def test_rows_that_are_no_klines_are_refused_in_one_line(rows: list[list[Any]]) -> None:
    """The message names what is needed."""
    with pytest.raises(ValueError, match="klines: rows of 12 numbers are needed"):
        feature_history.bars_of_klines(rows)


def test_no_rows_are_no_bars() -> None:
    """Empty in, empty out."""
    assert feature_history.bars_of_klines([]).shape == (0, len(CHANNELS))
    empty = np.zeros((0, len(CHANNELS)))
    assert feature_history.on_second_grid(np.zeros(0, np.int64), empty).shape == (0, len(CHANNELS))
    assert feature_history.feature_matrix(np.zeros((0, len(CHANNELS)))).features.shape == (0, len(features.NAMES))
