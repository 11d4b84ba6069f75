"""Faults of connections: ends, notices of a shutdown, a highest age, refused handshakes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import msgspec
from starlette.responses import Response

from app.emulator.active_fault import ActiveFault
from app.emulator.errors import ExchangeError, error_response
from app.emulator.fault import Fault
from app.emulator.subscribers import Subscriber, Subscribers

SERVICE_RESTART = 1012
KINDS = {"disconnect", "server_shutdown", "max_age"}


class ConnectionFaults:
    """Applies faults to the connections of one exchange. `now_us` is the time that the exchange shows."""

    def __init__(self, clients: Subscribers, now_us: Callable[[], int]) -> None:
        self._clients, self._now_us = clients, now_us

    def begin(self, active: ActiveFault, now_s: float) -> None:
        """Apply a fault that begins now to the connections there are; without `seconds`, a cut ends at once."""
        for client in list(self._clients.connected):
            self.connected(active, client, now_s)
        if not active.fault.seconds and active.fault.fault != "max_age":
            active.ended_s = now_s

    def connected(self, active: ActiveFault, client: Subscriber, now_s: float) -> None:
        """Apply a fault to one connection."""
        if not active.hits_connection(now_s, list(client.streams)):
            return
        if active.fault.fault == "disconnect":
            self._clients.abort(client)
        elif active.fault.fault == "server_shutdown":
            client.connection.write_messages([self._shutdown_notice()])
            self._close_later(client, active.fault.grace_s, "server shutdown")
        else:
            age_s = time.monotonic() - client.connected_s
            self._close_later(client, max(0.0, active.fault.age_s - age_s), "highest age")

    def _shutdown_notice(self) -> bytes:
        # {"e":"serverShutdown","E":1770123456789}
        return msgspec.json.encode({"e": "serverShutdown", "E": self._now_us() // 1000})

    def _close_later(self, client: Subscriber, wait_s: float, reason: str) -> None:
        def close() -> None:
            if client in self._clients.connected:
                self._clients.closed["fault"] += 1
                client.connection.close(SERVICE_RESTART, reason)

        asyncio.get_running_loop().call_later(wait_s, close)


def handshake_refusal(fault: Fault, left_s: float) -> Response:
    """Return the answer to a refused handshake, with Retry-After where it is a rate limit or one is given."""
    answer = error_response(ExchangeError(-1003, "Way too many requests; handshake refused.", fault.status))
    if fault.retry_after_s or fault.status in {418, 429}:
        answer.headers["Retry-After"] = retry_after(fault, left_s)
    return answer


def retry_after(fault: Fault, left_s: float) -> str:
    """Return Retry-After in seconds: what the fault says, else the time left (a minute if it has no end)."""
    return str(fault.retry_after_s or (60 if left_s == float("inf") else max(1, round(left_s))))
