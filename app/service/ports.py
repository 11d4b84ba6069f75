"""Ports of this machine: which are free, and which process holds a taken one."""

import socket
import sys

import psutil

LOOPBACK = "127.0.0.1"


def free_port() -> int:
    """Return a port of the loopback on which no server listens now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
    return port


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


def holder(port: int) -> str | None:
    """Return the process that listens on a port, as `name (pid 42)`; None when the system does not tell."""
    try:
        for connection in psutil.net_connections(kind="tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid:
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
    except (psutil.Error, OSError):
        return None
    return None


def taken_reason(port: int, name: str, variable: str) -> str:
    """Return why a port cannot be used and what to do: who listens on it, and the variable that sets another."""
    who = holder(port) or "a process of another user"
    return f"port {port} ({name}) is taken by {who}: end it, or set {variable} to another"
