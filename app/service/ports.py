"""Ports of this machine: which are free, and which process holds a taken one."""

import random
import socket
import sys

import psutil

LOOPBACK = "127.0.0.1"
UNRESERVED = range(20_000, 32_000)  # below what any system gives to outgoing connections, so none takes one
BACKLOG = 2048  # connections that wait to be accepted; uvicorn's default
_candidates = random.SystemRandom().sample(UNRESERVED, len(UNRESERVED))  # another order in each process, seeded or not


class PortError(RuntimeError):
    """A port that cannot be listened on: the message says why and what to do."""


def free_port() -> int:
    """Return a port of the loopback on which no server listens now; never the same one twice in one process."""
    while _candidates:
        if is_free(port := _candidates.pop()):
            return port
    raise PortError(f"no port from {UNRESERVED.start} to {UNRESERVED.stop - 1} is free: end what holds them")


def is_free(port: int) -> bool:
    """Return whether a server could listen on this port of the loopback now."""
    with socket.socket() as probe:
        if sys.platform != "win32":  # as servers do: connections that are still closing do not count
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def answers(port: int) -> bool:
    """Return whether a server accepts connections on this port of the loopback."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((LOOPBACK, port)) == 0


def taken_reason(port: int, name: str, variable: str) -> str:
    """Return why `name` cannot listen on a port of the loopback, and what to do; "" while it is free.

    Port 0 is always free: the system chooses one. `variable` is the environment variable that sets the port. The
    sentence reads: port 5001 (API) is taken by python (pid 42): end it, or set BTC_API_PORT to another port.
    """
    if not port or (is_free(port) and not answers(port)):
        return ""
    taken_by = holder(port) or "a process of another user"
    return f"port {port} ({name}) is taken by {taken_by}: end it, or set {variable} to another port"


def listening(host: str, port: int, name: str, variable: str) -> socket.socket:
    """Return a socket on which `name` listens; `variable` is the environment variable that sets the port.

    Raises:
        PortError: the port is taken, with its holder; or the address is not one of this machine.

    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        if reason := taken_reason(port, name, variable):
            raise PortError(reason) from error
        raise PortError(f"cannot listen on {host}:{port}: {error.strerror}; set BTC_HOST or {variable}") from error
    return listener


def holder(port: int) -> str | None:
    """Return the process that listens on a port, as `name (pid 42)`; None when the system does not tell."""
    try:
        for connection in psutil.net_connections(kind="tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid:
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
    except (psutil.Error, OSError):
        return None
    return None
