"""The exchange's clock and the durations of each stage."""

import pytest

from app.board.exchange_time_estimate import Durations, ExchangeTime
from app.board.views import Latency


def test_late_seconds_do_not_set_the_exchange_clock_back() -> None:
    """A takeover closes old seconds late; the clock stays with the timely ones."""
    time = ExchangeTime(rate=1.0)
    time.update(100, 101_050.0)
    time.update(101, 112_000.0)
    assert time.now_s(112_000.0) == pytest.approx(111.95)


def test_no_durations_are_no_error() -> None:
    """Only the count is there."""
    assert Durations().get() == Latency(n=0)
