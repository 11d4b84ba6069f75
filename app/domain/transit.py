"""How long trades are under way. What enters: each trade's delay; what leaves: the usual one, their median."""

LONGEST_MS = 500.0  # more is not waited for: a second closes in less than one more
STEP_MS = 0.5


class Transit:
    """The running median of delays, wall milliseconds.

    A median needs no window: step up when a delay is above it, down when below (Robbins & Monro 1951).

    >>> transit = Transit()
    >>> for _ in range(500):
    ...     transit.heard(80.0)
    >>> 79.0 <= transit.usual_ms <= 81.0
    True
    """

    def __init__(self) -> None:
        self.usual_ms = 0.0

    def heard(self, delay_ms: float) -> None:
        """Note the delay of one trade; a clock that is behind makes it negative."""
        step_ms = STEP_MS if delay_ms > self.usual_ms else -STEP_MS
        self.usual_ms = min(max(self.usual_ms + step_ms, 0.0), LONGEST_MS)
