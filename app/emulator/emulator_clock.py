"""The clock of the emulated exchange, which may start at another time than the wall clock and run faster."""

from __future__ import annotations

import asyncio

from app.clock import Clock, wall_ms


class EmulatorClock:
    """Runs `speed` times as fast as the wall clock from `start_us` (epoch µs) on; with `hold` only after `start`."""

    def __init__(self, start_us: int | None, speed: float, *, hold: bool) -> None:
        self.speed = speed
        self.started = asyncio.Event()
        self._start_us = start_us  # None: the wall clock's time
        self._clock = Clock(0.0, 0.0, speed)
        if not hold:
            self.start()

    def start(self) -> None:
        """Let the clock run from now on; later calls change nothing."""
        if not self.started.is_set():
            wall = wall_ms()
            self._clock = Clock(wall if self._start_us is None else self._start_us / 1000, wall, self.speed)
            self.started.set()

    @property
    def anchored(self) -> Clock | None:
        """The clock that relates wall time and exchange time; None before `start`."""
        return self._clock if self.started.is_set() else None

    def now_us(self) -> int:
        """Return the exchange time, epoch µs."""
        if not self.started.is_set():
            return int(wall_ms() * 1000) if self._start_us is None else self._start_us
        return int(self._clock.exchange_ms(wall_ms()) * 1000)

    def wall_s_until(self, exchange_us: int) -> float:
        """Return the wall seconds until the exchange's clock shows this time; never below zero."""
        return max(0.0, (self._clock.wall_of_ms(exchange_us / 1000) - wall_ms()) / 1000)
