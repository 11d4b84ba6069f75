"""Exchange time and wall time: an exchange clock as a value, the wall clock, and one that no step of it moves.

Exchange time decides closing, windows, horizons and the age of data. Wall time decides grace, watchdogs, backoff and
latencies. The rate is 1 live and N in a replay at speed N.
"""

import time
from dataclasses import dataclass

_STEADY_START_MS = (time.time() - time.monotonic()) * 1000.0


def wall_ms() -> float:
    """Return the wall clock, epoch milliseconds; for stamps that other processes read: it may be stepped."""
    return time.time() * 1000.0


def steady_ms() -> float:
    """Return monotonic milliseconds, counted from the wall clock at the start of the process.

    Until the machine's clock is stepped it equals `wall_ms`; a step never moves it.
    """
    return _STEADY_START_MS + time.monotonic() * 1000.0


@dataclass(frozen=True, slots=True)
class Clock:
    """The exchange's clock as a line through one anchor: exchange = anchor + rate × (1 + slew) × wall elapsed.

    Its wall time is `steady_ms`, so a step of the machine's clock does not move it.

    >>> Clock(exchange_anchor_ms=1_000_000.0, wall_anchor_ms=0.0, rate=20.0).exchange_ms(at_wall_ms=50.0)
    1001000.0
    """

    exchange_anchor_ms: float
    wall_anchor_ms: float
    rate: float = 1.0
    slew: float = 0.0  # so much faster (slower below 0) it runs while an error is corrected; above -1

    def exchange_ms(self, at_wall_ms: float | None = None) -> float:
        """Return exchange time, epoch milliseconds, at a wall time (default: now)."""
        at = steady_ms() if at_wall_ms is None else at_wall_ms
        return self.exchange_anchor_ms + (at - self.wall_anchor_ms) * self._pace

    def wall_of_ms(self, exchange_ms: float) -> float:
        """Return the wall time, epoch milliseconds, at which the exchange's clock shows `exchange_ms`."""
        return self.wall_anchor_ms + (exchange_ms - self.exchange_anchor_ms) / self._pace

    def re_anchored(self, exchange_ms: float, at_wall_ms: float | None = None) -> "Clock":
        """Return the clock moved so that it shows `exchange_ms` at a wall time (default: now)."""
        return Clock(exchange_ms, steady_ms() if at_wall_ms is None else at_wall_ms, self.rate)

    @property
    def _pace(self) -> float:
        return self.rate * (1.0 + self.slew)
