"""The history of a symbol: examples with an outcome, parts before a second, and its span."""

from dataclasses import replace

import numpy as np

from app.domain.symbol_series import SymbolSeries, examples_of, time_span


def series_of(seconds: int, start: int = 100) -> SymbolSeries:
    """Return a series whose mid rises by a thousandth a second."""
    return SymbolSeries(
        "A", start, np.arange(seconds, dtype=np.float32)[:, None], np.exp(np.arange(seconds) * 1e-3),
        np.full(seconds, 1e-3), np.ones(seconds, bool), np.ones(seconds, bool),
    )  # fmt: skip


def test_examples_are_the_usable_seconds_with_an_outcome() -> None:
    """The last five seconds have none at five seconds; a second that is not usable is left out."""
    series = series_of(20)
    series.usable[3] = False
    rows = examples_of(series, 7, (5,))
    assert rows.second.tolist() == [100, 101, 102, *range(104, 115)]
    assert rows.features[:, 0].tolist() == [0, 1, 2, *range(4, 15)]
    assert set(rows.symbol.tolist()) == {7}
    assert np.allclose(rows.z, 5e-3 / (1e-3 * np.sqrt(5)))


def test_a_stride_takes_seconds_that_are_its_multiples() -> None:
    """So that all symbols are sampled at the same seconds."""
    assert examples_of(series_of(20, start=101), 0, (5,), stride=4).second.tolist() == [104, 108, 112]


def test_the_part_until_a_second_ends_before_it() -> None:
    """And is empty when the second lies before the start."""
    series = series_of(20)
    assert (series.until(110).end, len(series.until(110).features)) == (110, 10)
    assert len(series.until(50).mid) == 0


def test_the_span_reaches_from_the_first_start_to_the_last_end() -> None:
    """Of several series."""
    assert time_span([series_of(20), replace(series_of(5), start=90)]) == (90, 120)
