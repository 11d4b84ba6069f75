"""Fault injection: every outgoing event and every REST request passes through it, so that tests can break the exchange.

Three faults: `disconnect` (ends all connections at once), `silence` (no events for some wall seconds; they are lost to
the clients, the connections stay open), `too_many_requests` (429 with Retry-After for some wall seconds).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from app.emulator.errors import TOO_MANY_REQUESTS, error_response
from app.emulator.market_source import Event


class Fault(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST /emulator/faults`: {"fault": "silence", "seconds": 5}, in wall seconds."""

    fault: str
    seconds: float = 0.0


class FaultInjector:
    """The faults in force now. `now` is a monotonic clock in wall seconds."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.disconnect: Callable[[], None] = lambda: None  # set by the exchange
        self._now = now
        self._silent_until = self._refusing_until = float("-inf")

    def outgoing(self, event: Event) -> Iterable[Event]:
        """Return what is sent in place of the event: itself, nothing, or others."""
        return () if self._now() < self._silent_until else (event,)

    def refusal(self, _request: Request) -> Response | None:
        """Return the refusal that replaces the real answer, None without a fault."""
        left_s = self._refusing_until - self._now()
        if left_s <= 0:
            return None
        return error_response(TOO_MANY_REQUESTS, {"Retry-After": str(max(1, round(left_s)))})

    def inject(self, fault: Fault) -> None:
        """Put a fault in force; raises ValueError for an unknown one."""
        if fault.fault == "disconnect":
            self.disconnect()
        elif fault.fault == "silence":
            self._silent_until = self._now() + fault.seconds
        elif fault.fault == "too_many_requests":
            self._refusing_until = self._now() + fault.seconds
        else:
            raise ValueError(f"no fault {fault.fault!r}; choose disconnect, silence or too_many_requests")
