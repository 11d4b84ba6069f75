"""The socket on which the exchange listens."""

from __future__ import annotations

import errno
import socket

from app.emulator.market_source import MarketSourceError
from app.service.ports import holder


def bind(host: str, port: int) -> socket.socket:
    """Return a socket bound to this address; raises MarketSourceError, which names who holds the port."""
    # IPPROTO_TCP: with protocol 0 asyncio leaves Nagle on, and each keep-alive answer waits 40 ms for an ACK.
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except (OSError, OverflowError) as error:
        listener.close()
        raise MarketSourceError(_bind_error_reason(host, port, error)) from error
    return listener


def _bind_error_reason(host: str, port: int, error: Exception) -> str:
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        taken_by = holder(port) or "another process"
        return f"port {port} on {host} is taken by {taken_by}: end it, or choose another port (0: any free one)"
    return f"cannot listen on {host}:{port} ({error}); choose another host or port"
