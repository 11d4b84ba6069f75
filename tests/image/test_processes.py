"""Every process in the built image, as the chart runs it: any user, read-only root, its own probe, SIGTERM.

The embedded Kafka and the emulated exchange run outside the containers; the containers share the host's network.
"""

import json
import shlex
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from app.broker.broker import Broker, BrokerError
from app.broker.jars import class_path
from app.service import ports
from tests.image.conftest import Podman, restricted

PATIENCE_S, GRACE_S = 120.0, 10.0
PROBES = {  # in the order of the data: the setting of its port, and the path
    "collect": ("METRICS", "/readyz"),
    "worker": ("WORKER", "/readyz"),
    "archive": ("METRICS", "/readyz"),
    "api": ("API", "/readyz"),
    "dashboard": ("DASHBOARD", "/_stcore/health"),
    "kafka-ui": ("KAFKA_UI", "/"),
}
pytestmark = [pytest.mark.live, pytest.mark.slow]


@dataclass
class Container:
    """One process in its container."""

    name: str
    url: str
    podman: Podman

    def answers_probe(self) -> bool:
        """Return whether its probe succeeds now."""
        try:
            with urllib.request.urlopen(self.url, timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def is_ready(self) -> bool:
        """Wait until its probe succeeds; False when it has not by then, or has ended."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline and self.state("Running") == "true":
            if self.answers_probe():
                return True
            time.sleep(0.5)
        return False

    def state(self, what: str) -> str:
        """Return one field of the container's state, as podman prints it."""
        return self.podman("inspect", "--format", f"{{{{.State.{what}}}}}", self.name).strip()

    def logs(self) -> str:
        """Return the end of its log."""
        return self.podman("logs", "--tail", "40", self.name)

    def stop(self) -> tuple[float, int]:
        """End it with SIGTERM; return how long that took, in seconds, and its exit code."""
        began = time.monotonic()
        self.podman("stop", "--time", "30", self.name)
        took_s = time.monotonic() - began
        return took_s, int(self.state("ExitCode"))


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the address of an embedded Kafka, or skip where its jars cannot be had."""
    try:
        class_path(print)
    except BrokerError as error:
        pytest.skip(str(error))
    with Broker(tmp_path_factory.mktemp("kafka"), ports.free_port(), say=print) as running:
        yield running.bootstrap


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Return the port of a synthetic exchange."""
    port = ports.free_port()
    command = f"-m app.cli exchange --synthetic 7 --symbols BTCUSDT --port {port}"
    with (tmp_path_factory.mktemp("exchange") / "log").open("wb") as log:
        process = subprocess.Popen([sys.executable, *shlex.split(command)], stdout=log, stderr=log)
        yield port
        process.terminate()
        process.wait(timeout=20)


@pytest.fixture(scope="module")
def containers(podman: Podman, image: str, kafka: str, exchange: int) -> Iterator[dict[str, Container]]:
    """Start every process, each with ports of its own, and end whatever is left."""
    shared = {
        "KAFKA_URL": kafka, "HOST": "127.0.0.1", "SOURCE": "synthetic-7", "PARTITIONS": "2",
        "EXCHANGE_WS_URL": f"ws://127.0.0.1:{exchange}", "EXCHANGE_REST_URL": f"http://127.0.0.1:{exchange}",
    }  # fmt: skip
    started: dict[str, Container] = {}
    try:
        for process, (own_port, path) in PROBES.items():
            port_of = {name: ports.free_port() for name in ("METRICS", "WORKER", "API", "DASHBOARD", "KAFKA_UI")}
            settings = {**shared, **{f"{name}_PORT": str(port) for name, port in port_of.items()}}
            name = f"btc-test-{process}-{port_of[own_port]}"
            variables = [word for key, value in settings.items() for word in ("--env", f"BTC_{key}={value}")]
            options = [word for word in restricted() if word != "--no-healthcheck"]
            podman("run", "--detach", "--name", name, "--network", "host", *options, *variables, image, process)
            started[process] = Container(name, f"http://127.0.0.1:{port_of[own_port]}{path}", podman)
        yield started
    finally:
        for container in started.values():
            podman("rm", "--force", "--time", "0", container.name, check=False)


@pytest.mark.parametrize("process", PROBES)
def test_a_process_becomes_ready_by_its_own_probe(containers: dict[str, Container], process: str) -> None:
    """On a read-only root, as an unknown user, without capabilities."""
    assert containers[process].is_ready(), containers[process].logs()


@pytest.mark.parametrize("process", PROBES)
def test_the_image_s_health_command_agrees(containers: dict[str, Container], podman: Podman, process: str) -> None:
    """The health check of plain podman or docker agrees with the probe."""
    assert podman("healthcheck", "run", containers[process].name, check=False) == "0", containers[process].logs()


def test_forecasts_pass_through_the_containers(containers: dict[str, Container]) -> None:
    """A second collected in one container is forecast in another and served by a third."""
    url = containers["api"].url.removesuffix("/readyz") + "/v1/predictions/latest"
    deadline, text = time.monotonic() + 60, ""
    while "BTCUSDT" not in text and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                text = answer.read().decode()
        except urllib.error.HTTPError as error:
            text = str(error)
        time.sleep(0.5)
    assert "BTCUSDT" in text, f"{text}\n{containers['worker'].logs()}"


@pytest.mark.parametrize("process", list(reversed(PROBES)))
def test_a_process_is_gone_in_time_after_sigterm(containers: dict[str, Container], process: str) -> None:
    """SIGTERM ends it cleanly, within the grace period, and its log has no error."""
    took_s, code = containers[process].stop()
    assert (took_s < GRACE_S, code) == (True, 0), f"{took_s:.1f} s, exit code {code}\n{containers[process].logs()}"
    assert "Traceback" not in containers[process].podman("logs", containers[process].name)


def test_nothing_listening_is_not_healthy(inside: Podman, podman: Podman, image: str) -> None:
    """A container whose process serves no page fails the health command."""
    health = json.loads(podman("image", "inspect", image))[0].get("Healthcheck")
    if not health:
        pytest.skip("the image was built in OCI format, which has no health command: build with --format docker")
    assert inside(*health["Test"][1:], check=False) == "1"
