"""The monitor as a process: its pages, and its end, which comes after its broker's."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from app.service import ports


@pytest.fixture
def broker() -> Iterator[socket.socket]:
    """Return a port that is open and answers nothing: a broker that hangs."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        yield listener


@pytest.fixture
def monitor(broker: socket.socket, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Return a monitor of that broker and the address of its pages."""
    port = ports.free_port()
    variables = {"BTC_KAFKA_URL": f"127.0.0.1:{broker.getsockname()[1]}", "BTC_METRICS_PORT": str(port),
                 "BTC_HOST": "127.0.0.1", "BTC_INSTANCE": "b-0"}  # fmt: skip
    with (tmp_path / "log").open("wb") as log:
        command = [sys.executable, "-m", "app.cli", "kafka-monitor"]
        process = subprocess.Popen(command, env={**os.environ, **variables}, stdout=log, stderr=log)
    try:
        yield process, f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def _until_answered(url: str) -> httpx.Response:
    deadline_s = time.monotonic() + 30
    while True:
        try:
            return httpx.get(url, timeout=5)
        except httpx.TransportError:
            assert time.monotonic() < deadline_s, f"{url} does not answer"
            time.sleep(0.1)


def test_a_broker_that_hangs_is_no_reason_to_restart_its_monitor_and_is_let_go_at_once(
    monitor: tuple[subprocess.Popen[bytes], str],
) -> None:
    """Alive, not ready with the reason, metrics that say so; before-stop has nothing to wait for."""
    _, url = monitor
    assert _until_answered(f"{url}/healthz").status_code == 200
    ready = httpx.get(f"{url}/readyz")
    assert (ready.status_code, "this broker" in ready.text) == (503, True)
    deadline_s = time.monotonic() + 20
    while 'btc_kafka_broker_up{broker="b-0"} 0.0' not in httpx.get(f"{url}/metrics").text:
        assert time.monotonic() < deadline_s
        time.sleep(0.2)
    stop = httpx.get(f"{url}/before-stop", timeout=2)
    assert (stop.status_code, stop.text) == (200, "the broker or the controllers do not answer")


def test_it_serves_until_its_broker_has_ended(
    monitor: tuple[subprocess.Popen[bytes], str], broker: socket.socket
) -> None:
    """SIGTERM reaches both containers at once; the broker still needs the answer of before-stop."""
    process, url = monitor
    _until_answered(f"{url}/healthz")
    process.send_signal(signal.SIGTERM)
    time.sleep(4)
    assert httpx.get(f"{url}/healthz").status_code == 200
    broker.close()
    assert process.wait(8) == 0
