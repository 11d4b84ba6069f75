"""The usual delay of trades, from the exchange's time to their arrival: a running median."""

MAX_MS = 500.0  # longer delays are not waited for: a second closes less than a second after its end
STEP_MS = 0.5


class TradeDelay:
    """The running median of delays, wall milliseconds.

    A median needs no window: step up when a delay is above it, down when below (Robbins & Monro 1951).

    >>> delay = TradeDelay()
    >>> for _ in range(500):
    ...     delay.update(80.0)
    >>> 79.0 <= delay.median_ms <= 81.0
    True
    """

    def __init__(self) -> None:
        self.median_ms = 0.0

    def update(self, delay_ms: float) -> None:
        """Add the delay of one trade; negative where the local clock is behind."""
        step_ms = STEP_MS if delay_ms > self.median_ms else -STEP_MS
        self.median_ms = min(max(self.median_ms + step_ms, 0.0), MAX_MS)
