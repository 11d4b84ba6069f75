"""Request weight; enters: each request's weight; leaves: what was used this minute, and a refusal beyond the limit."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

LIMIT_PER_MINUTE = 6000


@dataclass(slots=True)
class Weight:
    """Binance's budget of one address, counted by wall minutes."""

    now: Callable[[], float] = time.time
    used: int = 0
    minute: int = 0

    def spend(self, weight: int) -> int | None:
        """None while the budget lasts, else the seconds to wait."""
        now_s = self.now()
        if int(now_s // 60) != self.minute:
            self.minute, self.used = int(now_s // 60), 0
        self.used += weight
        return None if self.used <= LIMIT_PER_MINUTE else 60 - int(now_s % 60)
