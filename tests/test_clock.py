"""The two clocks."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.clock import Clock, steady_ms, wall_ms

TIMES = st.floats(min_value=0, max_value=2e12, allow_nan=False)


@given(anchor=TIMES, wall=TIMES, rate=st.floats(0.1, 100), elapsed=st.floats(0, 1e8))
def test_wall_and_exchange_time_are_each_others_inverse(
    anchor: float, wall: float, rate: float, elapsed: float
) -> None:
    """What the exchange's clock shows at a wall time, it shows at that wall time."""
    clock = Clock(anchor, wall, rate)
    assert abs(clock.wall_of_ms(clock.exchange_ms(wall + elapsed)) - (wall + elapsed)) < 1.0


def test_a_replay_runs_faster() -> None:
    """At speed 20, one wall second is twenty seconds of the exchange."""
    assert Clock(0.0, 0.0, 20.0).exchange_ms(1000.0) == 20_000.0


def test_moving_the_anchor_keeps_the_rate() -> None:
    """A clock that was wrong is set right without changing its speed."""
    moved = Clock(0.0, 0.0, 20.0).re_anchored(500.0, at_wall_ms=10.0)
    assert (moved.exchange_ms(10.0), moved.rate) == (500.0, 20.0)


@pytest.mark.parametrize("step_s", [3600.0, -3600.0])
def test_a_step_of_the_wall_clock_moves_no_exchange_clock(monkeypatch: pytest.MonkeyPatch, step_s: float) -> None:
    """An hour forwards or back: displayed stamps jump, the exchange's time goes on."""
    clock, before_ms, true_s = Clock(1000.0, steady_ms()), steady_ms(), time.time
    monkeypatch.setattr(time, "time", lambda: true_s() + step_s)
    assert abs(wall_ms() - before_ms - step_s * 1000) < 5000
    assert 0 <= steady_ms() - before_ms < 5000
    assert 1000 <= clock.exchange_ms() < 6000


def test_a_slewed_clock_runs_a_little_faster_or_slower() -> None:
    """The nominal rate stays: tolerances are multiples of it."""
    slewed = Clock(0.0, 0.0, 20.0, slew=-0.01)
    assert (slewed.exchange_ms(1000.0), slewed.wall_of_ms(19_800.0), slewed.rate) == (19_800.0, 1000.0, 20.0)
