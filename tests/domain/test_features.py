"""Features are bounded, free of scale, and blind to the future."""

import doctest
from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain import bars, feature_history, features
from app.domain.bar_window import BarWindow, planes
from app.domain.bars import Channel, Floats, second_bars
from app.domain.volatility import FLOOR
from app.domain.windows import FeatureRows, SymbolWindows
from app.records import Quotes, TickBatch, Ticks, Trades

Market = Callable[..., list[TickBatch]]
WINDOW_S = 300


def column(rows: FeatureRows, name: str) -> float:
    """Return the first symbol's feature."""
    return float(rows.features[0, features.NAMES.index(name)])


def run(batches: list[TickBatch], window_s: int = WINDOW_S) -> FeatureRows:
    """Return the rows after all batches."""
    windows = SymbolWindows(window_s)
    for batch in batches:
        windows.update(batch)
    return windows.feature_rows()


def quoted(second: int, mid: float, bid_size: float = 1.0, ask_size: float = 1.0, half: float = 0.01) -> TickBatch:
    """Return a second with one quote."""
    quote = Quotes(bid=[mid - half], bid_size=[bid_size], ask=[mid + half], ask_size=[ask_size])
    return TickBatch(partition=0, second=second, closed_ms=0.0, symbols={"AUSDT": Ticks(quotes=quote)})


def scaled(batch: TickBatch, price: float, size: float) -> TickBatch:
    """Return the same second of a market with another price level and lot."""
    symbols = {
        name: Ticks(
            trades=Trades(
                price=[price * x for x in ticks.trades.price],
                quantity=[size * x for x in ticks.trades.quantity],
                buyer_maker=ticks.trades.buyer_maker,
            ),
            quotes=Quotes(
                bid=[price * x for x in ticks.quotes.bid],
                bid_size=[size * x for x in ticks.quotes.bid_size],
                ask=[price * x for x in ticks.quotes.ask],
                ask_size=[size * x for x in ticks.quotes.ask_size],
            ),
        )
        for name, ticks in batch.symbols.items()
    }
    return TickBatch(partition=0, second=batch.second, closed_ms=0.0, symbols=symbols)


@pytest.mark.parametrize("module", [bars, features, feature_history])
def test_the_examples_in_docstrings_are_true(module: ModuleType) -> None:
    """What a docstring shows is what happens."""
    outcome = doctest.testmod(module)
    assert outcome.attempted > 0
    assert outcome.failed == 0


def test_every_feature_has_one_name_bounds_a_formula_and_a_source() -> None:
    """The registry is complete, and the docs can print it."""
    described = features.describe()
    assert [name for name, *_rest in described] == list(features.NAMES)
    assert len(set(features.NAMES)) == len(features.NAMES)
    for name, text, low, high in described:
        assert "Source:" in text, name
        assert low < high, name


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), price=st.floats(1e-4, 1e5), size=st.floats(1e-3, 1e6))
def test_price_level_and_lot_size_do_not_matter(market: Market, seed: int, price: float, size: float) -> None:
    """A coin at 0.0001 and one at 100,000 have the same features."""
    batches = market(seed, ["AUSDT"], 70)
    one, other = run(batches, 60), run([scaled(batch, price, size) for batch in batches], 60)
    np.testing.assert_allclose(other.features, one.features, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(other.volatility, one.volatility, rtol=1e-6)


@settings(max_examples=40, deadline=None)
@given(numbers=st.lists(st.tuples(*[st.floats(1e-13, 1e16)] * 4, st.booleans()), min_size=1, max_size=30))
def test_features_are_finite_and_bounded_in_the_wildest_market(numbers: list[tuple[float, ...]]) -> None:
    """Whatever prices and sizes do within what a feed may send, every feature stays inside its bounds."""
    windows = SymbolWindows(20)
    for second, (a, b, size, other, sold) in enumerate(numbers):
        ticks = Ticks(
            trades=Trades(price=[a], quantity=[size], buyer_maker=[bool(sold)]),
            quotes=Quotes(bid=[min(a, b)], bid_size=[size], ask=[max(a, b)], ask_size=[other]),
        )
        windows.update(TickBatch(partition=0, second=second, closed_ms=0.0, symbols={"AUSDT": ticks}))
        rows = windows.feature_rows()
        assert (rows.features >= [low for _n, _t, low, _h in features.describe()]).all()
        assert (rows.features <= [high for _n, _t, _l, high in features.describe()]).all()
        assert np.isfinite(rows.volatility).all()
        assert (rows.volatility >= FLOOR).all()


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), cut=st.integers(1, 69))
def test_no_tick_changes_a_feature_of_a_second_before_it(market: Market, seed: int, cut: int) -> None:
    """Two markets that part after second s have the same features up to s, bit for bit."""
    one = market(seed, seconds=70)
    other = one[:cut] + market(seed + 1, seconds=70)[cut:]
    windows, forked = SymbolWindows(30), SymbolWindows(30)
    for step, (left, right) in enumerate(zip(one, other, strict=True)):
        windows.update(left)
        forked.update(right)
        if step < cut:
            np.testing.assert_array_equal(windows.feature_rows().features, forked.feature_rows().features)
            np.testing.assert_array_equal(windows.feature_rows().volatility, forked.feature_rows().volatility)
    assert (windows.feature_rows().features != forked.feature_rows().features).any()


def test_a_return_is_counted_in_units_of_volatility() -> None:
    """A steady climb of σ a second is a return of √k over k seconds."""
    rows = run([quoted(second, 100.0 * np.exp(1e-3 * second), half=1e-6) for second in range(301)])
    assert rows.volatility[0] == pytest.approx(1e-3, rel=1e-3)
    for scale in (1, 2, 5, 10, 30):
        assert column(rows, f"return_{scale}") == pytest.approx(np.sqrt(scale), rel=1e-3)
    assert column(rows, "return_60") == 6.0
    assert column(rows, "autocorrelation_60") == pytest.approx(59 / 60, rel=1e-3)


def test_pressure_on_the_bid_raises_every_feature_of_the_book() -> None:
    """More size at the bid: queue imbalance, microprice and order flow point up."""
    calm = [quoted(second, 100.0) for second in range(60)]
    rows = run([*calm, quoted(60, 100.0, bid_size=3.0)])
    assert column(rows, "queue_now") == 0.5
    assert column(rows, "queue_5") == pytest.approx(0.1)
    assert column(rows, "microprice") > 0
    assert column(rows, "order_flow_1") > 0
    assert column(rows, "order_flow_1") > column(rows, "order_flow_30") > 0


def test_takers_that_buy_raise_the_trade_flow() -> None:
    """Bought minus sold over all, on each scale."""
    bought = Ticks(trades=Trades(price=[9.0, 9.0], quantity=[3.0, 1.0], buyer_maker=[False, True]))
    rows = run([TickBatch(partition=0, second=1, closed_ms=0.0, symbols={"AUSDT": bought})])
    assert [column(rows, f"trade_flow_{scale}") for scale in (1, 5, 60)] == [0.5] * 3
    assert column(rows, "quoted") == 0.0


def test_rows_are_equal_wherever_they_lie_in_memory(market: Market) -> None:
    """A view into a longer buffer, a copy, and single rows give the same bits."""
    batches = market(12, [f"S{i}" for i in range(19)], WINDOW_S)
    seconds = bars_of(batches)
    window = np.stack([planes(second) for second in seconds], axis=-1)
    padded = np.zeros((*window.shape[:2], WINDOW_S + 37))
    padded[..., 5 : 5 + WINDOW_S] = window
    whole = features.compute(BarWindow(np.ascontiguousarray(window), seconds[-1]))
    sliced = features.compute(BarWindow(padded[..., 5 : 5 + WINDOW_S], seconds[-1]))
    np.testing.assert_array_equal(whole.features, sliced.features)
    for row in range(19):
        one = features.compute(BarWindow(padded[:, row : row + 1, 5 : 5 + WINDOW_S], seconds[-1][row : row + 1]))
        np.testing.assert_array_equal(one.features[0], whole.features[row])
        np.testing.assert_array_equal(one.volatility[0], whole.volatility[row])


def bars_of(batches: list[TickBatch]) -> list[Floats]:
    """Return the bars of each second."""
    symbols = list(batches[0].symbols)
    made = [np.zeros((len(symbols), len(Channel)))]
    for step, batch in enumerate(batches):
        made.append(second_bars(symbols, batch.symbols, made[-1], np.full(len(symbols), int(step > 0))))
    return made[1:]
