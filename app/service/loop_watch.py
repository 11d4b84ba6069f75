"""Loops that must move on: each says so as it does, and one that falls silent stalls the process.

>>> loops = LoopWatch()
>>> loops.beat("read the topics")
>>> loops.stall_reason()
''
"""

import math
import time
from collections.abc import Callable

from app.service import limits

STUCK = 3.0  # times `STUCK_S`: a training step or a file takes longer than a second of the stream


class LoopWatch:
    """Knows when each loop moved on last; may be called from every thread. `clock` gives monotonic seconds."""

    def __init__(
        self, kafka_answering_s: Callable[[], float] = lambda: math.inf, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._kafka_answering_s, self._clock = kafka_answering_s, clock
        self._moved_s: dict[str, float] = {}

    def beat(self, loop: str) -> None:
        """Record that a loop has moved on, and must do so again."""
        self._moved_s[loop] = self._clock()

    def rest(self, loop: str) -> None:
        """Record that a loop waits for its next turn, or for the exchange: it may take as long as it likes."""
        self._moved_s.pop(loop, None)

    def stall_reason(self) -> str:
        """Return which loop stands still for too long although Kafka answers, or ""."""
        now_s, limit_s = self._clock(), STUCK * limits.STUCK_S
        for loop, moved_s in tuple(self._moved_s.items()):
            if min(now_s - moved_s, self._kafka_answering_s()) > limit_s:
                return f"no progress for {now_s - moved_s:.0f} s: {loop}"
        return ""
