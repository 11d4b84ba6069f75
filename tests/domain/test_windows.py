"""Windows survive gaps, changing symbols and kill −9."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.bar_records import RecordError, unpack
from app.domain.bars import CHANNELS, Channel
from app.domain.windows import FeatureRows, SymbolWindows
from app.records import TickBatch, Ticks, Trades

Market = Callable[..., list[TickBatch]]
SMALL = 40


def assert_same(one: FeatureRows, other: FeatureRows) -> None:
    """Every bit of two results is equal."""
    assert (one.second, one.symbols, one.flags) == (other.second, other.symbols, other.flags)
    np.testing.assert_array_equal(one.features, other.features)
    assert one.bars.keys() == other.bars.keys()
    for channel, values in one.bars.items():
        np.testing.assert_array_equal(values, other.bars[channel])


def after(batches: list[TickBatch], window_s: int = SMALL) -> SymbolWindows:
    """Return windows that took the batches."""
    windows = SymbolWindows(window_s)
    for batch in batches:
        windows.update(batch)
    return windows


def silent(second: int, *symbols: str, late: bool = False) -> TickBatch:
    """Return a second in which nothing happened."""
    return TickBatch(partition=0, second=second, closed_ms=0.0, symbols=dict.fromkeys(symbols, Ticks()), late=late)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), kill=st.integers(1, 179), holes=st.sampled_from([0.0, 0.1, 0.5]), data=st.data())
def test_killed_anywhere_and_restored_it_goes_on_bit_for_bit(
    market: Market, seed: int, kill: int, holes: float, data: st.DataObject
) -> None:
    """A ring of `window_s` slots, read in any order, is all that the windows are made of."""
    batches = market(seed, seconds=180, holes=holes, pauses=0.2)
    ring: dict[int, bytes] = {}
    windows = SymbolWindows(SMALL)
    for batch in batches[: kill % len(batches) + 1]:
        ring[batch.second % SMALL] = windows.update(batch)
    restored = SymbolWindows(SMALL)
    assert restored.restore(data.draw(st.permutations(list(ring.values())))) == []
    assert_same(windows.feature_rows(), restored.feature_rows())
    for batch in batches[kill % len(batches) + 1 :]:
        assert windows.update(batch) == restored.update(batch)
        assert_same(windows.feature_rows(), restored.feature_rows())


def test_a_window_of_300_seconds_is_restored_bit_for_bit(market: Market) -> None:
    """The same at full size, across the move of the buffer."""
    batches = market(7, seconds=450, holes=0.02)
    whole = SymbolWindows()
    records = [whole.update(batch) for batch in batches]
    restored = SymbolWindows()
    restored.restore(records[:400])
    for batch in batches[400:]:
        restored.update(batch)
    assert_same(whole.feature_rows(), restored.feature_rows())


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), order=st.permutations(range(5)))
def test_the_order_of_symbols_orders_the_rows_and_changes_nothing(market: Market, seed: int, order: list[int]) -> None:
    """Rows follow the symbols; numbers stay."""
    names = [f"S{i}" for i in range(5)]
    batches = market(seed, names, 60)
    shuffled = [
        TickBatch(partition=0, second=b.second, closed_ms=0.0, symbols={names[i]: b.symbols[names[i]] for i in order})
        for b in batches
    ]
    one, other = after(batches).feature_rows(), after(shuffled).feature_rows()
    assert other.symbols == [names[i] for i in order]
    np.testing.assert_array_equal(one.features[order], other.features)
    np.testing.assert_array_equal(one.volatility[order], other.volatility)


@pytest.mark.parametrize("count", [2, 9, 33])
def test_a_symbol_alone_equals_the_same_symbol_among_many(market: Market, count: int) -> None:
    """The size of the batch does not change one bit of a row."""
    names = [f"S{i}" for i in range(count)]
    batches = market(count, names, 330)
    many = after(batches, 300).feature_rows()
    for row in (0, count // 2, count - 1):
        alone = [
            TickBatch(partition=0, second=b.second, closed_ms=0.0, symbols={names[row]: b.symbols[names[row]]})
            for b in batches
        ]
        one = after(alone, 300).feature_rows()
        np.testing.assert_array_equal(one.features[0], many.features[row])
        assert one.volatility[0] == many.volatility[row]


def test_a_missing_second_is_flagged_until_it_leaves_the_window(market: Market) -> None:
    """The gap shows for exactly as long as the window holds it, and its return spans it."""
    batches = market(3, ["AUSDT"], 120)
    for ticks in batches:
        assert ticks.symbols
    quiet = [TickBatch(partition=0, second=b.second, closed_ms=0.0, symbols={"AUSDT": clean(b)}) for b in batches]
    windows, gapped = SymbolWindows(SMALL), []
    for batch in quiet[:50] + quiet[53:]:
        windows.update(batch)
        gapped.append("gapped" in windows.feature_rows().flags[0])
    assert gapped == [False] * 50 + [True] * SMALL + [False] * (67 - SMALL)


def clean(batch: TickBatch) -> Ticks:
    """Return the first symbol's ticks without skipped ids."""
    (ticks,) = batch.symbols.values()
    return Ticks(trades=ticks.trades, quotes=ticks.quotes)


def test_a_pause_as_long_as_the_window_starts_it_anew(market: Market) -> None:
    """Nothing is carried over: the rows are those of a start without history."""
    batches = market(4, seconds=160)
    resumed = after(batches[:60] + batches[60 + SMALL :])
    assert_same(resumed.feature_rows(), after(batches[60 + SMALL :]).feature_rows())


def test_a_symbol_that_pauses_keeps_its_window_and_a_new_one_starts_empty(market: Market) -> None:
    """Symbols come and go by name."""
    windows = SymbolWindows(SMALL)
    for batch in market(5, ["AUSDT", "BUSDT"], 30):
        windows.update(batch)
    price = windows.feature_rows().bars["price"][0]
    windows.update(silent(windows.last + 1 if windows.last else 0, "BUSDT"))
    windows.update(silent(windows.last + 1 if windows.last else 0, "NEWUSDT", "AUSDT"))
    rows = windows.feature_rows()
    assert rows.symbols == ["NEWUSDT", "AUSDT"]
    assert rows.bars["price"].tolist() == [0.0, price]
    assert rows.flags[0] == ["unpriced", "stale", "warming_up"]
    assert "gapped" in rows.flags[1]


def test_flags_of_quality_come_and_go(market: Market) -> None:
    """Late, stale and warming up are flagged while they are true, and not longer."""
    windows = after(market(6, ["AUSDT"], 80), 300)
    start = windows.last or 0
    assert "warming_up" not in windows.feature_rows().flags[0]
    windows.update(silent(start + 1, "AUSDT", late=True))
    assert "late" in windows.feature_rows().flags[0]
    stale = []
    for second in range(start + 2, start + 14):
        windows.update(silent(second, "AUSDT"))
        stale.append("stale" in windows.feature_rows().flags[0])
    assert "late" not in windows.feature_rows().flags[0]
    assert (stale[0], stale[-1]) == (False, True)
    assert "warming_up" in after(market(6, ["AUSDT"], 59), 300).feature_rows().flags[0]


def test_a_repeated_second_is_refused_and_changes_nothing(market: Market) -> None:
    """A second not newer than the last is a repeat."""
    batches = market(8, seconds=20)
    windows = after(batches)
    with pytest.raises(ValueError, match="not newer"):
        windows.update(batches[-1])
    assert_same(windows.feature_rows(), after(batches).feature_rows())


@pytest.mark.parametrize("second", [-1, 2**63, 2**200])
def test_a_second_out_of_range_is_refused(market: Market, second: int) -> None:
    """Numbers beyond any calendar change nothing."""
    windows = after(market(8, seconds=5))
    before = windows.feature_rows()
    with pytest.raises(ValueError, match="out of range"):
        windows.update(silent(second, "AUSDT"))
    assert_same(windows.feature_rows(), before)


def test_ticks_that_do_not_fit_change_nothing(market: Market) -> None:
    """A batch refused for its columns leaves the windows as they were."""
    batches = market(9, seconds=6)
    windows = after(batches[:5])
    broken = {"AUSDT": Ticks(trades=batches[0].symbols["AUSDT"].trades.__class__(price=[1.0]))}
    with pytest.raises(ValueError, match="ticks of AUSDT"):
        windows.update(TickBatch(partition=0, second=batches[5].second, closed_ms=0.0, symbols=broken))
    windows.update(batches[5])
    assert_same(windows.feature_rows(), after(batches).feature_rows())


def test_records_that_cannot_be_read_are_refused_one_by_one(market: Market) -> None:
    """Foreign, cut and damaged records are named; the good ones restore."""
    windows = SymbolWindows(SMALL)
    records = [windows.update(batch) for batch in market(10, seconds=10)]
    other_version = records[0][:4] + b"\0" * 8 + records[0][12:]
    damaged = records[1][:-1] + bytes([records[1][-1] ^ 1])
    restored = SymbolWindows(SMALL)
    refused = restored.restore([b"", b"foreign", other_version, damaged, records[2][:40], *records])
    assert_same(windows.feature_rows(), restored.feature_rows())
    assert [text.split(":")[0] for text in refused] == [
        "not a bar record",
        "not a bar record",
        "bar record of another version",
        "damaged bar record",
        "damaged bar record",
    ]
    with pytest.raises(RecordError):
        unpack(damaged)


def test_a_partition_without_symbols_has_no_rows() -> None:
    """An empty batch is a second like any other."""
    windows = after([silent(5), silent(6)])
    assert windows.feature_rows().features.shape[0] == 0
    assert windows.feature_rows().bars[CHANNELS[Channel.PRICE]].shape == (0,)


def test_rows_before_the_first_second_say_what_to_do() -> None:
    """There is nothing to show yet."""
    with pytest.raises(ValueError, match="no second yet"):
        SymbolWindows().feature_rows()


def test_a_window_is_gapped_while_a_hole_is_open_and_as_long_as_it_holds_one() -> None:
    """Ids filled later go to the archive: the windows never see them, so the flag outlives the open hole."""
    traded = Trades(id=[1], time_ms=[0], price=[10.0], quantity=[1.0], buyer_maker=[False])
    quiet, open_hole = Ticks(trades=traded), Ticks(trades=traded, open_ids=7)
    for open_s, until in ((2, 5 + SMALL), (SMALL + 10, 5 + SMALL + 10)):
        windows, gapped = SymbolWindows(SMALL), []
        for second, ticks in enumerate([quiet] * 5 + [open_hole] * open_s + [quiet] * 60):
            windows.update(TickBatch(partition=0, second=second, closed_ms=0.0, symbols={"AUSDT": ticks}))
            if "gapped" in windows.feature_rows().flags[0]:
                gapped.append(second)
        assert gapped == list(range(5, until))
