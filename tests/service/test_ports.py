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


def test_no_port_is_handed_out_twice() -> None:
    """Whoever asks for many ports first and listens later gets as many, none where outgoing connections begin."""
    chosen = [ports.free_port() for _ in range(300)]
    assert len(set(chosen)) == len(chosen)
    assert set(chosen) <= set(ports.UNRESERVED)


def test_a_taken_port_has_a_holder() -> None:
    """A port somebody listens on, on any address, is taken, and its holder is this process."""
    with socket.create_server(("", 0)) as server:
        port = server.getsockname()[1]
        assert not ports.is_free(port)
        assert ports.answers(port)
        assert f"(pid {os.getpid()})" in (ports.holder(port) or "")


def test_the_reason_of_a_taken_port_names_holder_and_remedy() -> None:
    """One sentence: what, where, who, what to do."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        reason = ports.taken_reason(port, "API", "BTC_API_PORT")
    assert reason.startswith(f"port {port} (API) is taken by ")
    assert f"(pid {os.getpid()})" in reason
    assert reason.endswith("end it, or set BTC_API_PORT to another port")


def test_a_free_port_and_port_zero_have_no_reason() -> None:
    """The system chooses a port for 0, so it is never taken."""
    assert ports.taken_reason(0, "API", "BTC_API_PORT") == ""
    assert ports.taken_reason(ports.free_port(), "API", "BTC_API_PORT") == ""
