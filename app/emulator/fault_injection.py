"""Fault injection: events, requests and connections pass through it, so that tests can break the exchange.

`docs/exchange.md` lists the faults. They are injected by `POST /emulator/faults`, by a scenario file or by `inject`.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response

from app.emulator import connection_faults
from app.emulator.active_fault import ActiveFault, Outgoing
from app.emulator.connection_faults import ConnectionFaults, handshake_refusal, retry_after
from app.emulator.errors import BANNED, TOO_MANY_REQUESTS, error_response
from app.emulator.event_faults import EventFaults
from app.emulator.fault import KINDS, Fault
from app.emulator.id_restarts import IdRestarts
from app.emulator.market_source import Event
from app.emulator.subscribers import Subscriber

__all__ = ["Fault", "FaultInjector", "FaultRecord"]
REST_PATH, OWN_PATH = "/api/", "/emulator"


class FaultRecord(Protocol):
    """What keeps the injected faults; in production a `SentRecorder`."""

    def fault_begins(self, active: ActiveFault) -> None:
        """Record a fault that was injected."""


class FaultInjector:
    """The faults of one exchange, also those to come. `now` is a monotonic clock in wall seconds."""

    def __init__(self, now: Callable[[], float] = time.monotonic, symbols: Sequence[str] = ()) -> None:
        self.connections: ConnectionFaults | None = None  # set by the exchange
        self.record: FaultRecord | None = None
        self.restarts = IdRestarts()
        self.injected: list[ActiveFault] = []
        self.requests: Counter[str] = Counter()  # streams (handshakes) and rest, whatever became of them
        self._now, self._symbols = now, symbols
        self._events = EventFaults(self.restarts)
        self._on_events: list[ActiveFault] = []  # in the order of KINDS
        self._on_rest: list[ActiveFault] = []
        self._on_connections: list[ActiveFault] = []
        self._gates: list[ActiveFault] = []

    def check(self, fault: Fault) -> None:
        """Raise ValueError for a symbol that is not served."""
        for name in fault.symbols:
            if self._symbols and name not in self._symbols:
                raise ValueError(f"symbols: {name!r} is not served; choose among {', '.join(self._symbols[:10])}")

    def inject(self, fault: Fault) -> ActiveFault:
        """Put a fault in force, now or when it begins; raises ValueError for a symbol that is not served."""
        self.check(fault)
        active = ActiveFault(len(self.injected), fault, self._now())
        self.injected.append(active)
        if self.record:
            self.record.fault_begins(active)
        if fault.fault in self._events:
            self._on_events = sorted([*self._on_events, active], key=lambda one: KINDS.index(one.fault.fault))
        elif fault.fault in connection_faults.KINDS:
            self._inject_on_connections(active)
        elif fault.fault in {"black_hole", "unreachable_rest"}:
            self._gates.append(active)
        else:
            self._on_rest.append(active)
        return active

    def end(self, number: int | None = None) -> None:
        """End the fault with this number, or all; raises KeyError if there is none."""
        ended = self.injected if number is None else [one for one in self.injected if one.number == number]
        if number is not None and not ended:
            raise KeyError(number)
        for active in ended:
            active.ended_s = min(active.ended_s, self._now())
            if active.fault.fault == "restart_ids":
                self.restarts.clear()

    def outgoing(self, event: Event) -> Outgoing | None:
        """Return what is sent in place of the event; None while it is held back."""
        outgoing = Outgoing(event, event.key)
        now_s = self._now() if self._on_events else 0.0
        for active in self._on_events:
            if not self._events.apply(active, outgoing, now_s):
                return None
        return outgoing

    def released(self) -> Iterable[Outgoing]:
        """Return the events that are no longer held back, and forget faults that are over."""
        if not self._on_events:
            return ()
        now_s = self._now()
        out = [one for active in self._on_events for one in self._events.released(active, now_s)]
        self._on_events = [active for active in self._on_events if active.held or not active.is_over(now_s)]
        return out

    def held(self) -> list[Outgoing]:
        """Return the events that are held back now."""
        return [one for active in self._on_events for held in active.held.values() for one in held]

    async def before_answer(self, request: Request) -> Response | None:
        """Wait as long as REST is slow; return the refusal that replaces the answer, None without one."""
        refusal, path = None, request.url.path.removeprefix("/api/v3/")
        for active in self._on_rest:
            if active.hits_request(self._now(), path, request.query_params.get("symbol", "")):
                if active.fault.fault == "slow_rest":
                    await asyncio.sleep(active.fault.delay_s)
                elif active.fault.fault in {"too_many_requests", "ban"}:
                    refusal = refusal or self._refusal(active)
        return refusal

    def is_in_force(self, kind: str, symbol: str) -> bool:
        """Whether a fault of this kind, `halt` or `delist`, concerns a symbol now."""
        return any(
            one.fault.fault == kind and one.is_on(self._now()) and symbol in (one.fault.symbols or self._symbols)
            for one in self._on_events
        )

    def clock_offset_ms(self) -> int:
        """Return by how much the times of REST are ahead of the exchange's."""
        now_s = self._now()
        wrong = [one for one in self._on_events if one.fault.fault == "clock" and "rest" in one.fault.targets]
        return sum(one.clock_offset_ms(now_s) for one in wrong if one.is_on(now_s))

    def handshake_refusal(self, streams: list[str]) -> Response | None:
        """Return the refusal of a handshake for these streams, None if it is accepted."""
        now_s = self._now()
        for active in self._on_rest:
            if active.fault.fault == "refuse_handshake" and active.hits_connection(now_s, streams):
                return handshake_refusal(active.fault, active.ends_s - now_s)
        return None

    def connected(self, client: Subscriber) -> None:
        """Apply what is in force to a new connection."""
        for active in self._on_connections:
            if self.connections:
                self.connections.connected(active, client, self._now())

    def gate(self, request_line: bytes) -> str:
        """Return what becomes of a request that begins so: `pass`, `drop` (no answer) or `abort`."""
        now_s, path = self._now(), request_line.split(b" ", 2)[1:2]
        name = path[0].decode("latin-1") if path else ""
        if not name.startswith("/") or name.startswith(OWN_PATH):
            return "pass"  # the rest of a request that was let through, or our own
        endpoint = "rest" if name.startswith(REST_PATH) else "streams"
        self.requests[endpoint] += 1
        for active in self._gates:
            if not active.is_on(now_s):
                continue
            if active.fault.fault == "black_hole":
                if endpoint in active.fault.endpoints:
                    active.touched += 1
                    return "drop"
            elif endpoint == "rest" and _names(active.fault.paths, name):
                active.touched += 1
                return "abort"
        return "pass"

    def state(self) -> list[dict[str, object]]:
        """Return every injected fault with its number, whether it is in force, and what it touched; JSON-ready."""
        now_s = self._now()
        return [
            {"number": one.number, "fault": one.fault, "in_force": one.is_on(now_s), "touched": one.touched}
            for one in self.injected
        ]

    def _inject_on_connections(self, active: ActiveFault) -> None:
        def begin() -> None:
            if self.connections and active.is_on(now_s := self._now()):
                self.connections.begin(active, now_s)

        self._on_connections.append(active)
        if active.fault.after_s:
            asyncio.get_running_loop().call_later(active.fault.after_s + 0.001, begin)
        else:
            begin()

    def _refusal(self, active: ActiveFault) -> Response:
        error = BANNED if active.fault.fault == "ban" else TOO_MANY_REQUESTS
        return error_response(error, {"Retry-After": retry_after(active.fault, active.ends_s - self._now())})


def _names(paths: Sequence[str], target: str) -> bool:
    """Whether a request's target is one of these REST calls; no paths: any."""
    return not paths or target.partition("?")[0].removeprefix("/api/v3/") in paths
