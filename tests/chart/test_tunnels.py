"""k8s/tunnels: three tunnels that reconnect, and the error when a port is in use."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.service import ports
from tests.chart.objects import CHART

TUNNELS = CHART.parent / "k8s" / "tunnels"
PORTS = ("API_PORT", "DASHBOARD_PORT", "KAFKA_UI_PORT")
FORWARDER = """#!{python}
import os, socket, sys, time
with open({calls!r}, "a") as calls:
    calls.write(" ".join(sys.argv[1:]) + f" pid={{os.getpid()}}\\n")
listener = socket.create_server(("127.0.0.1", int(sys.argv[-1].split(":")[0])))
time.sleep(600)
"""
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the pids are checked in /proc")


class Tunnels:
    """The script under test, with a kubectl that only listens."""

    def __init__(self, folder: Path) -> None:
        self.calls, kubectl = folder / "calls", folder / "kubectl"
        kubectl.write_text(FORWARDER.format(python=sys.executable, calls=str(self.calls)))
        kubectl.chmod(0o755)
        self.ports = {name: ports.free_port() for name in PORTS}
        self._env = {**os.environ, "KUBECTL": str(kubectl), "TUNNELS_DIR": str(folder / "run"),
                     **{name: str(port) for name, port in self.ports.items()}}  # fmt: skip

    def __call__(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run the script with one command."""
        return subprocess.run(
            [TUNNELS, command], env=self._env, capture_output=True, text=True, timeout=30, check=False
        )

    def forwarders(self) -> dict[str, int]:
        """Return the newest kubectl of each service, by its pid."""
        lines = self.calls.read_text().splitlines() if self.calls.exists() else []
        return {line.split("svc/")[1].split()[0]: int(line.rpartition("pid=")[2]) for line in lines}


def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition, at most ten seconds."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "not within ten seconds"
        time.sleep(0.05)


@pytest.fixture
def tunnels(tmp_path: Path) -> Iterator[Tunnels]:
    """Return the script; whatever it started is stopped."""
    script = Tunnels(tmp_path)
    yield script
    script("stop")


def test_three_tunnels_open_reconnect_and_stop(tunnels: Tunnels) -> None:
    """Start opens all three, one that dies is opened again, a second start changes nothing, stop frees the ports."""
    assert tunnels("start").returncode == 0
    until(lambda: len(tunnels.forwarders()) == 3 and all(map(ports.answers, tunnels.ports.values())))
    assert tunnels("status").stdout.count(" up ") == 3

    before = tunnels.forwarders()
    os.kill(before["btc-web-app"], signal.SIGKILL)
    until(lambda: tunnels.forwarders()["btc-web-app"] != before["btc-web-app"])
    until(lambda: ports.answers(tunnels.ports["API_PORT"]))

    now = tunnels.forwarders()
    assert tunnels("start").returncode == 0
    assert tunnels.forwarders() == now

    assert tunnels("stop").returncode == 0
    until(lambda: not any(map(ports.answers, tunnels.ports.values())))
    assert tunnels("status").stdout.count(" down ") == 3


def test_a_port_in_use_is_named_with_its_process_and_no_tunnel_starts(tunnels: Tunnels) -> None:
    """When another process listens, start names it and starts no tunnel at all."""
    with socket.create_server(("127.0.0.1", tunnels.ports["DASHBOARD_PORT"])):
        answer = tunnels("start")
    assert answer.returncode == 1
    assert f"port {tunnels.ports['DASHBOARD_PORT']} for dashboard is held by " in answer.stderr
    assert f"pid {os.getpid()}" in answer.stderr
    assert tunnels.forwarders() == {}


def test_an_unknown_command_prints_the_usage(tunnels: Tunnels) -> None:
    """Any command but start, status and stop prints the usage."""
    answer = tunnels("open")
    assert answer.returncode == 2
    assert "start | status | stop" in answer.stderr
