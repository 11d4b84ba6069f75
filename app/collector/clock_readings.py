"""Readings of the exchange's clock over REST, and the choice of the best of some."""

from statistics import median_low
from typing import NamedTuple

from app.clock import Clock

AGREE_MS = 1000.0  # wall time


class ClockReading(NamedTuple):
    """The clock as one answer showed it, right within half its round trip."""

    clock: Clock
    error_ms: float  # wall time


def best_reading(readings: list[ClockReading]) -> ClockReading:
    """Return the reading with the shortest round trip among those near the median: a single wrong time is left out.

    >>> shown = ((7.0, 2.0), (3_600_000.0, 1.0), (8.0, 3.0))
    >>> best_reading([ClockReading(Clock(ms, 0.0), error_ms) for ms, error_ms in shown])
    ClockReading(clock=Clock(exchange_anchor_ms=7.0, wall_anchor_ms=0.0, rate=1.0, slew=0.0), error_ms=2.0)
    """
    agreed_ms = median_low(_shown_ms(reading) for reading in readings)
    near = [reading for reading in readings if abs(_shown_ms(reading) - agreed_ms) <= _tolerance_ms(reading)]
    return min(near, key=lambda reading: reading.error_ms)


def _shown_ms(reading: ClockReading) -> float:
    return reading.clock.exchange_ms(0.0)


def _tolerance_ms(reading: ClockReading) -> float:
    return (AGREE_MS + reading.error_ms) * reading.clock.rate
