"""Every container command of the rendered chart as a process, with its rendered settings, against the embedded Kafka.

Each becomes ready by its own probe, passes what `helm test` asks, and ends within its grace period on SIGTERM.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app import ports
from tests.chart.objects import Object, container, environment, of_kind, render, workload
from tests.live.conftest import broker, jars, kafka

__all__ = ["broker", "jars", "kafka"]
PORTS = ("api_port", "dashboard_port", "kafka_ui_port", "worker_port")
ORDER = ("data-collector", "bitcoin-forecast-app", "web-app", "dashboard", "kafka-ui", "trainer", "archive")
PATIENCE_S = 90.0
pytestmark = [pytest.mark.live, pytest.mark.slow]


class Pod:
    """One container of the chart, as a process of this machine."""

    def __init__(self, objects: list[Object], component: str, variables: dict[str, str], folder: Path) -> None:
        one = workload(objects, component)
        self._container, self._spec = container(one), one["spec"]["template"]["spec"]
        self.component, self._log = component, folder / f"{component}.log"
        home = folder / component
        home.mkdir()
        own = {one["name"]: one["value"] for one in self._container["env"] if "value" in one}
        self._env = {**os.environ, **variables, **own, "HOME": str(home), "TMPDIR": str(home),
                     "BTC_INSTANCE": f"btc-{component}-0", "BTC_DATA_DIR": str(home),
                     "BTC_METRICS_PORT": str(ports.free_port())}  # fmt: skip

    def port(self, name: str) -> int:
        """Return where a port of the container is on this machine."""
        if name == "metrics" and self.component != "bitcoin-forecast-app":
            return int(self._env["BTC_METRICS_PORT"])
        setting = {"web-app": "API", "dashboard": "DASHBOARD", "kafka-ui": "KAFKA_UI", "bitcoin-forecast-app": "WORKER"}
        return int(self._env[f"BTC_{setting[self.component]}_PORT"])

    def start(self) -> None:
        """Start the rendered command."""
        words = self._container["command"]
        assert words[0] == "btc"
        with self._log.open("wb") as log:
            command = [sys.executable, "-m", "app.cli", *words[1:]]
            self.process = subprocess.Popen(command, env=self._env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def passes(self, probe: str) -> bool:
        """Ask one probe, as the kubelet would."""
        get = self._container[probe]["httpGet"]
        try:
            return httpx.get(f"http://127.0.0.1:{self.port(get['port'])}{get['path']}", timeout=3).status_code < 400
        except httpx.HTTPError:
            return False

    def wait(self, probe: str) -> None:
        """Wait until a probe passes; the process must not end before."""
        deadline = time.monotonic() + PATIENCE_S
        while not self.passes(probe):
            text = self._log.read_text(errors="replace")[-2000:]
            assert self.process.poll() is None, f"{self.component} ended with {self.process.returncode}:\n{text}"
            assert time.monotonic() < deadline, f"{self.component} does not pass {probe}:\n{text}"
            time.sleep(0.2)

    def stop(self) -> int:
        """End it with SIGTERM; it has its grace period, less what preStop takes."""
        self.process.terminate()
        drain = self._container.get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command", ["sleep", "0"])
        return self.process.wait(self._spec["terminationGracePeriodSeconds"] - float(drain[1]))


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the address of a synthetic exchange, host:port."""
    port = ports.free_port()
    log = (tmp_path_factory.mktemp("exchange") / "log").open("wb")
    command = [sys.executable, "-m", "app.cli", "exchange", "--synthetic", "7", "--port", str(port)]
    with log, subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL) as process:
        yield f"127.0.0.1:{port}"
        process.terminate()


@pytest.fixture(scope="module")
def variables(kafka: str, exchange: str) -> dict[str, str]:
    """Return the chart's ConfigMap, with addresses of this machine."""
    values: dict[str, Any] = {
        "kafka": {"enabled": False, "bootstrap": kafka}, "networkPolicy": {"kafkaCidrs": ["127.0.0.1/32"]},
        "settings": {"exchange_ws_url": f"ws://{exchange}", "exchange_rest_url": f"http://{exchange}",
                     "topic_prefix": "chart", "app_id": "chart", "partitions": 3},
    }  # fmt: skip
    here = {f"BTC_{name.upper()}": str(ports.free_port()) for name in PORTS}
    return {**environment(render(values)), **here, "BTC_HOST": "127.0.0.1"}


def test_the_topics_hook_makes_every_topic_and_may_run_again(variables: dict[str, str]) -> None:
    """The hook's command ends with 0, twice."""
    (job,) = of_kind(render(), "Job")
    words = job["spec"]["template"]["spec"]["containers"][0]["command"]
    for _time in range(2):
        command = [sys.executable, "-m", "app.cli", *words[1:]]
        done = subprocess.run(command, env={**os.environ, **variables}, capture_output=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr


def test_every_command_becomes_ready_answers_and_stops_in_time(variables: dict[str, str], tmp_path: Path) -> None:
    """All seven start together, pass their three probes and the doors' tests, and end cleanly on SIGTERM."""
    objects = render()
    running = [Pod(objects, component, variables, tmp_path) for component in ORDER]
    try:
        for pod in running:
            pod.start()
        for pod in running:
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                pod.wait(probe)
        for pod in running:
            _passes_helm_test(objects, pod)
        for pod in reversed(running):
            assert pod.stop() in (0, -15), pod.component
    finally:
        for pod in running:
            if hasattr(pod, "process") and pod.process.poll() is None:
                pod.process.kill()
                pod.process.wait()


def _passes_helm_test(objects: list[Object], pod: Pod) -> None:
    for one in of_kind(objects, "Pod"):
        if one["metadata"]["name"] == f"btc-{pod.component}-test":
            code, *urls = one["spec"]["containers"][0]["args"]
            name = "http" if any(port in urls[0] for port in (":5001", ":8501", ":8080")) else "metrics"
            here = [f"http://127.0.0.1:{pod.port(name)}/{url.split('/', 3)[3]}" for url in urls]
            done = subprocess.run([sys.executable, "-c", code, *here], capture_output=True, text=True, timeout=90,
                                  check=False)  # fmt: skip
            assert done.returncode == 0, done.stdout
