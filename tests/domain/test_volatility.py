"""Volatility of flat, lively and unknown markets."""

import numpy as np
import pytest

from app.domain.bar_window import WINDOW_S
from app.domain.bars import PRIOR_VOLATILITY
from app.domain.windows import FeatureRows, SymbolWindows
from app.records import Quotes, TickBatch, Ticks


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


def test_volatility_of_a_flat_market_is_a_fraction_of_its_spread() -> None:
    """Nothing moved for 300 seconds: half a spread in a window is still to be expected."""
    flat = run([quoted(second, 100.0, half=0.1) for second in range(400)])
    assert flat.volatility[0] == pytest.approx(1e-3 / np.sqrt(300), rel=1e-2)
    assert np.isfinite(flat.features).all()


def test_a_lively_market_that_stands_still_is_not_taken_for_dead() -> None:
    """After five flat minutes volatility is still within a factor of three of the usual one."""
    lively = [quoted(second, 100.0 * np.exp(1e-4 * (second % 2)), half=1e-6) for second in range(1000)]
    still = [quoted(second, 100.0, half=1e-6) for second in range(1000, 1310)]
    assert run(lively).volatility[0] == pytest.approx(1e-4, rel=1e-2)
    assert run([*lively, *still]).volatility[0] > 1e-4 / 3


def test_one_wrong_price_is_forgotten_with_the_window() -> None:
    """A mid ten times too high for a second does not widen forecasts for hours."""
    calm = [quoted(second, 100.0 * np.exp(1e-4 * (second % 2)), half=1e-6) for second in range(1000)]
    wrong = [*calm[:600], quoted(600, 1000.0), *calm[601:]]
    assert run(wrong).volatility[0] == pytest.approx(1e-4, rel=0.1)


def test_an_unknown_market_starts_at_the_prior_volatility() -> None:
    """Before anything moved, a coin is taken for a common one; after a minute only its own moves count."""
    assert run([quoted(0, 100.0, half=1e-6)]).volatility[0] == pytest.approx(PRIOR_VOLATILITY, rel=1e-2)
    assert run([quoted(second, 100.0, half=1e-6) for second in range(62)]).volatility[0] < PRIOR_VOLATILITY / 50
