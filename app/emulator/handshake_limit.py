"""Binance's limit of WebSocket handshakes: 300 in 5 minutes from one address."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.responses import Response

from app.emulator.errors import HANDSHAKES_BANNED, TOO_MANY_HANDSHAKES, error_response

PER_5_MIN, WINDOW_S = 300, 300.0
BANNED_AT = 2  # times the limit: who goes on after a 429 gets a 418


@dataclass(slots=True)
class HandshakeLimit:
    """The handshakes of each address, refused ones included; `now` is monotonic seconds."""

    limit: int = PER_5_MIN  # 0: none
    now: Callable[[], float] = time.monotonic
    _made_s: defaultdict[str, deque[float]] = field(default_factory=lambda: defaultdict(deque))

    def refusal(self, address: str) -> Response | None:
        """Count a handshake; return its refusal with Retry-After, None within the limit."""
        now_s, made_s = self.now(), self._made_s[address]
        while made_s and made_s[0] <= now_s - WINDOW_S:
            made_s.popleft()
        made_s.append(now_s)
        if not self.limit or len(made_s) <= self.limit:
            return None
        error = HANDSHAKES_BANNED if len(made_s) > BANNED_AT * self.limit else TOO_MANY_HANDSHAKES
        wait_s = made_s[-self.limit] + WINDOW_S - now_s  # then one more is within the limit
        return error_response(error, {"Retry-After": str(max(1, int(wait_s) + 1))})
