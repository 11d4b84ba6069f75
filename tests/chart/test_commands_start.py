"""Every container command of the rendered chart as a process, with its rendered settings, against the embedded Kafka.

Each becomes ready by its own probe, passes its `helm test`, and ends within its grace period on SIGTERM: in the
environment, and where `BTC_IMAGE` names one, in the built image with its rendered user, mounts and read-only root.
"""

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.service import ports
from tests.chart.objects import environment, render
from tests.chart.pods import ImagePod, Pod, passes_helm_test
from tests.image.conftest import image, podman
from tests.live.conftest import broker, jars, kafka

__all__ = ["broker", "image", "jars", "kafka", "podman"]
ORDER = ("data-collector", "bitcoin-forecast-app", "web-app", "dashboard", "kafka-ui", "trainer", "archive")
pytestmark = [pytest.mark.live, pytest.mark.slow]


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the address of a synthetic exchange, host:port."""
    port = ports.free_port()
    log = (tmp_path_factory.mktemp("exchange") / "log").open("wb")
    command = [sys.executable, "-m", "app.cli", "exchange", "--synthetic", "7", "--port", str(port)]
    with log, subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL) as process:
        yield f"127.0.0.1:{port}"
        process.terminate()


@pytest.fixture(params=["environment", "image"])
def kind(request: pytest.FixtureRequest) -> type[Pod]:
    """Return pods of the environment, and pods of the image under test where one was named."""
    if request.param == "environment":
        return Pod

    class Imaged(ImagePod):
        engine = tuple(shlex.split(os.environ.get("BTC_PODMAN", "podman")))
        options = tuple(shlex.split(os.environ.get("BTC_PODMAN_RUN", "")))
        image: str = request.getfixturevalue("image")

    return Imaged


@pytest.fixture
def variables(kafka: str, exchange: str, request: pytest.FixtureRequest) -> dict[str, str]:
    """Return the chart's ConfigMap, with addresses of this machine."""
    prefix = f"chart{len(request.node.name)}"
    values: dict[str, Any] = {
        "kafka": {"enabled": False, "bootstrap": kafka}, "networkPolicy": {"kafkaCidrs": ["127.0.0.1/32"]},
        "settings": {"exchange_ws_url": f"ws://{exchange}", "exchange_rest_url": f"http://{exchange}",
                     "topic_prefix": prefix, "app_id": prefix, "partitions": 3},
    }  # fmt: skip
    return environment(render(values))


def test_the_topics_hook_creates_every_topic_and_may_run_again(
    kind: type[Pod], variables: dict[str, str], tmp_path: Path
) -> None:
    """The hook's command ends with 0, twice."""
    for _time in range(2):
        hook = kind(render(), "topics", variables, tmp_path)
        hook.start()
        assert hook.process.wait(60) == 0, hook.log_tail()


def test_every_command_becomes_ready_answers_and_stops_in_time(
    kind: type[Pod], variables: dict[str, str], tmp_path: Path
) -> None:
    """All seven start together, pass their three probes and `helm test`, and end cleanly on SIGTERM."""
    objects = render()
    running = [kind(objects, component, variables, tmp_path) for component in ORDER]
    took_s = {}
    try:
        for pod in running:
            pod.start()
        for pod in running:
            pod.wait("startupProbe", "readinessProbe", "livenessProbe")
        for pod in running:
            passes_helm_test(objects, pod)
        for pod in reversed(running):
            took_s[pod.component] = (round(pod.stop(), 1), pod.grace_s)
    finally:
        for pod in running:
            pod.close()
    print(took_s)
    assert all(2 * took < grace for took, grace in took_s.values()), took_s
