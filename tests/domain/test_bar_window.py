"""Windows of bars: sums, gaps and warm-up."""

import numpy as np
import pytest

from app.domain.bar_window import WARMUP_S, WINDOW_S, BarWindow, Plane, planes, queue_imbalance
from app.domain.bars import CHANNELS, Channel


def window_of(present: list[bool]) -> BarWindow:
    """Return a window of one symbol whose newest seconds are as given."""
    window = np.zeros((len(Plane), 1, WINDOW_S))
    window[Plane.PRESENT, 0, WINDOW_S - len(present) :] = present
    return BarWindow(window, np.zeros((1, len(CHANNELS))))


def test_a_window_is_warming_up_until_sixty_seconds_are_known() -> None:
    """Fifty-nine are too few."""
    assert window_of([True] * (WARMUP_S - 1)).is_warming_up().tolist() == [True]
    assert window_of([True] * WARMUP_S).is_warming_up().tolist() == [False]


@pytest.mark.parametrize(("present", "gap"), [([True] * 9, False), ([True, False, True], True), ([True, False], True)])
def test_a_gap_is_a_missing_second_after_the_first(present: list[bool], gap: bool) -> None:
    """What lies before a symbol's first second is no gap."""
    assert window_of(present).has_gap().tolist() == [gap]


def test_sums_are_over_the_newest_seconds() -> None:
    """Two of three."""
    window = window_of([True, False, True])
    assert [window.sums(seconds)[Plane.PRESENT, 0] for seconds in (1, 2, 3)] == [1.0, 1.0, 2.0]


def test_an_empty_bar_has_empty_terms_and_a_span_or_missing_ids_mark_a_gap() -> None:
    """Zeros in, zeros out; two seconds of span or a lost trade are a gap."""
    bars = np.zeros((3, len(CHANNELS)))
    bars[1, Channel.SPAN_S], bars[2, Channel.MISSING] = 2.0, 1.0
    terms = planes(bars)
    assert not terms[:, 0].any()
    assert terms[Plane.GAP].tolist() == [0.0, 1.0, 1.0]


def test_queue_imbalance_is_between_minus_one_and_one_and_zero_without_a_quote() -> None:
    """Three at the bid against one at the ask are one half."""
    bars = np.zeros((2, len(CHANNELS)))
    bars[0, [Channel.BID_SIZE, Channel.ASK_SIZE]] = 3.0, 1.0
    assert queue_imbalance(bars).tolist() == [0.5, 0.0]
