"""The exchange's time as a reader of the topics estimates it, and the durations of each stage."""

from collections import deque

import numpy as np

from app.board.views import Latency
from app.clock import Clock

REMEMBERED_SECONDS = 120


class ExchangeTime:
    """The exchange's clock, read off the batches: second s ends at s + 1, and the batch was closed just after.

    Late seconds were closed long after their end, so the batch with the least delay is the anchor. Only the newest two
    minutes count: after that, an exchange that paused is on time again.
    """

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._newest = -1
        self._anchors: deque[tuple[float, float]] = deque(maxlen=REMEMBERED_SECONDS)

    def update(self, second: int, closed_ms: float) -> None:
        """Add one closed second."""
        if second > self._newest:
            self._newest = second
            self._anchors.append(((second + 1) * 1000.0, closed_ms))

    @property
    def clock(self) -> Clock | None:
        """The clock, or None before the first batch."""
        if not self._anchors:
            return None
        exchange_ms, wall_ms = max(self._anchors, key=lambda anchor: anchor[0] - anchor[1] * self._rate)
        return Clock(exchange_ms, wall_ms, self._rate)

    def now_s(self, wall_ms: float) -> float:
        """Return the exchange time at a wall time, epoch seconds; 0 before the first batch."""
        clock = self.clock
        return clock.exchange_ms(wall_ms) / 1000.0 if clock else 0.0


class Durations:
    """The newest durations of one stage, milliseconds."""

    def __init__(self, size: int = 3600) -> None:
        self._ring = np.zeros(size, np.float32)
        self._count = 0

    def update(self, duration_ms: float) -> None:
        """Add one duration."""
        self._ring[self._count % len(self._ring)] = duration_ms
        self._count += 1

    def get(self) -> Latency:
        """Return count, last, p50, p90 and p99 in milliseconds; only the count when there is none."""
        if not self._count:
            return Latency(n=0)
        known = self._ring[: min(self._count, len(self._ring))]
        p50, p90, p99 = (round(float(value), 2) for value in np.percentile(known, (50, 90, 99)))
        last = round(float(self._ring[(self._count - 1) % len(self._ring)]), 2)
        return Latency(n=self._count, last_ms=last, p50_ms=p50, p90_ms=p90, p99_ms=p99)
