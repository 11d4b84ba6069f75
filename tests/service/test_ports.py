"""Ports of this machine and who holds them."""

import os
import socket

from app.service import ports


def test_a_free_port_can_be_listened_on() -> None:
    """A port called free is free, and nobody answers on it."""
    port = ports.free_port()
    assert ports.is_free(port)
    assert not ports.answers(port)
    assert ports.holder(port) is None


def test_a_taken_port_has_a_holder() -> None:
    """A port somebody listens on, on any address, is taken, and its holder is this process."""
    with socket.create_server(("", 0)) as server:
        port = server.getsockname()[1]
        assert not ports.is_free(port)
        assert ports.answers(port)
        assert f"(pid {os.getpid()})" in (ports.holder(port) or "")
