"""Faults on demand; every outgoing event and every REST request passes here. Without one set, nothing changes.

Implemented: `disconnect` (all clients, at once), `silence` (the stream stops for some wall seconds, its events are
lost to the clients, sockets stay open), `too_many_requests` (429 with Retry-After for some wall seconds).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from app.exchange.errors import TOO_MANY_REQUESTS, answer
from app.exchange.source import Event


class Fault(msgspec.Struct, forbid_unknown_fields=True):
    """What `POST /emulator/faults` takes: {"fault": "silence", "seconds": 5}."""

    fault: str
    seconds: float = 0.0


class Faults:
    """The faults now in force. `now` is the wall clock in seconds, monotonic."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.disconnect: Callable[[], None] = lambda: None  # set by the streams
        self._now = now
        self._silent_until = self._refusing_until = float("-inf")

    def outgoing(self, event: Event) -> Iterable[Event]:
        """Return what is sent in the event's place: itself, nothing, or others."""
        return () if self._now() < self._silent_until else (event,)

    def respond(self, _request: Request) -> Response | None:
        """Return the answer given instead of the real one, if any."""
        left_s = self._refusing_until - self._now()
        if left_s <= 0:
            return None
        return answer(TOO_MANY_REQUESTS, {"Retry-After": str(max(1, round(left_s)))})

    def set(self, fault: Fault) -> None:
        """Put a fault in force; raises ValueError for one that does not exist."""
        if fault.fault == "disconnect":
            self.disconnect()
        elif fault.fault == "silence":
            self._silent_until = self._now() + fault.seconds
        elif fault.fault == "too_many_requests":
            self._refusing_until = self._now() + fault.seconds
        else:
            raise ValueError(f"no fault {fault.fault!r}; choose disconnect, silence or too_many_requests")
