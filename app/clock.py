"""Exchange time and wall time: an exchange clock as a value, and the wall clock.

Exchange time decides closing, windows, horizons and the age of data. Wall time decides grace, watchdogs, backoff and
latencies. The rate is 1 live and N in a replay at speed N.
"""

import time
from dataclasses import dataclass


def wall_ms() -> float:
    """Return the wall clock, epoch milliseconds."""
    return time.time() * 1000.0


@dataclass(frozen=True, slots=True)
class Clock:
    """The exchange's clock as a line through one anchor: exchange = anchor + rate × wall elapsed.

    >>> Clock(exchange_anchor_ms=1_000_000.0, wall_anchor_ms=0.0, rate=20.0).exchange_ms(at_wall_ms=50.0)
    1001000.0
    """

    exchange_anchor_ms: float
    wall_anchor_ms: float
    rate: float = 1.0

    def exchange_ms(self, at_wall_ms: float | None = None) -> float:
        """Return exchange time, epoch milliseconds, at a wall time (default: now)."""
        at = wall_ms() if at_wall_ms is None else at_wall_ms
        return self.exchange_anchor_ms + (at - self.wall_anchor_ms) * self.rate

    def wall_of_ms(self, exchange_ms: float) -> float:
        """Return the wall time, epoch milliseconds, at which the exchange's clock shows `exchange_ms`."""
        return self.wall_anchor_ms + (exchange_ms - self.exchange_anchor_ms) / self.rate

    def re_anchored(self, exchange_ms: float, at_wall_ms: float | None = None) -> "Clock":
        """Return the clock moved so that it shows `exchange_ms` at a wall time (default: now)."""
        return Clock(exchange_ms, wall_ms() if at_wall_ms is None else at_wall_ms, self.rate)
