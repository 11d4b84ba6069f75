"""Binance's rate limit of REST requests: a sum of request weights per minute."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

LIMIT_PER_MINUTE = 6000


@dataclass(slots=True)
class RequestWeight:
    """The weight used in the current wall minute; `now` is epoch seconds."""

    now: Callable[[], float] = time.time
    used: int = 0
    minute: int = 0

    def spend(self, weight: int) -> int | None:
        """Add a request's weight; return None within the limit, else the wall seconds until the next minute."""
        now_s = self.now()
        if int(now_s // 60) != self.minute:
            self.minute, self.used = int(now_s // 60), 0
        self.used += weight
        return None if self.used <= LIMIT_PER_MINUTE else 60 - int(now_s % 60)
