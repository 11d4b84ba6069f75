"""Fixture `node`: a cluster of one real node with the images and an exchange in it, or a skip with the reason."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chart.objects import Object, container, render, workload
from tests.cluster.objects import is_ready, tools, until
from tests.cluster.real.node import Node, step

LABELS = {"app": "exchange"}


def _images() -> Path | None:
    named = os.environ.get("BTC_CLUSTER_IMAGES")
    return Path(named).resolve() if named else None


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """Return a fresh node; it is stopped at the end."""
    folder, images = tools(), _images()
    if folder is None or not (folder / "bin" / "coredns").exists() or not (folder / "real.sh").exists():
        pytest.skip("no tools of a real node are built: run `make cluster-test CLUSTER_TOOLS=their folder`")
    if images is None or not all((images / name).exists() for name in ("btc.tar", "kafka.tar")):
        pytest.skip("no images: run `make cluster-test CLUSTER_IMAGES=a folder with btc.tar and kafka.tar`")
    if os.geteuid() != 0:
        pytest.skip("a real node needs root")
    if running := os.environ.get(
        "BTC_CLUSTER_NODE"
    ):  # the folder of a node that was brought up before, for a short loop
        yield Node(folder, Path(running))
        return
    run_folder = tmp_path_factory.mktemp("node") / "run"
    env = {
        "REAL": "1",
        "CPUS": "16",
        "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
        "HOME": str(run_folder.parent),
    }
    with step("control plane and node are up"):
        subprocess.run([folder / "up.sh", run_folder], env=env, check=True, timeout=600)
    try:
        made = Node(folder, run_folder)
        bring(made, images)
        yield made
    finally:
        subprocess.run([folder / "down.sh", run_folder], check=True, timeout=120)
        shutil.rmtree(run_folder, ignore_errors=True)


def bring(node: Node, images: Path) -> None:
    """Load the images into a new node and start the exchange."""
    objects = render()
    with step("images are loaded"):
        node.load(images / "kafka.tar", str(container(workload(objects, "kafka"))["image"]))
        own = str(container(workload(objects, "web-app"))["image"])
        node.load(images / "btc.tar", f"docker.io/library/{own}")  # what the kubelet makes of a name without registry
    with step("the exchange runs"):
        node.apply(*_exchange(own))
        until(lambda: all(map(is_ready, node.get("pods", "exchange"))), "the exchange is ready")


def _exchange(image: str) -> list[Object]:
    spec: Object = {"containers": [{
        "name": "exchange", "image": image, "imagePullPolicy": "Never",
        "command": ["btc", "exchange", "--synthetic", "7", "--host", "0.0.0.0", "--port", "8000"],
        "ports": [{"containerPort": 8000}],
        "readinessProbe": {"tcpSocket": {"port": 8000}, "periodSeconds": 1},
    }]}  # fmt: skip
    service = {"selector": LABELS, "ports": [{"port": 8000}]}
    named = {"name": "exchange", "namespace": "exchange"}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "exchange"}},
        {"apiVersion": "v1", "kind": "Pod", "metadata": {**named, "labels": LABELS}, "spec": spec},
        {"apiVersion": "v1", "kind": "Service", "metadata": named, "spec": service},
    ]
