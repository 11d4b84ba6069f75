"""`helm install btc ./helm --wait` on a real API server, with every ready-made set of values."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chart.objects import CHART, COMPONENT, COMPONENTS, values_of
from tests.cluster.objects import NAMESPACED, Cluster, is_ready, until

SETS = {
    "default": (),
    "minikube": ("values-minikube",),
    "production": ("values-production",),
    "gpu": ("values-production", "values-gpu"),
}


@pytest.fixture(scope="module", autouse=True)
def _gpus(cluster: Cluster) -> None:
    """Give every node two GPUs, and the cluster NVIDIA's runtime class."""
    runtime = {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "nvidia"},
               "handler": "nvidia"}  # fmt: skip
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(runtime))
    patch = json.dumps({"status": {side: {"nvidia.com/gpu": "2"} for side in ("capacity", "allocatable")}})
    for node in cluster.get("nodes", "default"):
        cluster.kubectl("patch", "node", node["metadata"]["name"], "--subresource=status", "--type=merge", "-p", patch)


@pytest.mark.parametrize("name", SETS)
def test_installs_runs_is_tested_and_leaves_only_its_claims(cluster: Cluster, name: str) -> None:
    """In a restricted namespace everything is admitted, scheduled within its quota and ready; `helm test` passes;
    uninstalled, nothing is left but the claims.
    """
    with cluster.namespace(f"install-{name}") as namespace, cluster.helm(namespace) as helm:
        cluster.make_secrets(namespace)
        before = _names(cluster, namespace)
        helm.install(CHART, "btc", values_of(*SETS[name]), wait="watcher", timeout=180)
        pods = cluster.pods(namespace)
        assert all(map(is_ready, pods))
        assert {pod["metadata"]["labels"][COMPONENT] for pod in pods} == set(COMPONENTS.values())
        refused = cluster.get("events", namespace, "--field-selector", "reason=FailedCreate")
        assert [event["message"] for event in refused] == []
        helm.test("btc", timeout=120)
        helm.uninstall("btc", wait="watcher", timeout=120)
        until(lambda: not cluster.pods(namespace), "every pod is gone")
        left = {one for one in _names(cluster, namespace) - before if not one.startswith("ReplicaSet/")}
        assert left
        assert {one.partition("/")[0] for one in left} == {"PersistentVolumeClaim"}
        classes = cluster.get("priorityclasses", "default")
        assert not [one for one in classes if namespace in one["metadata"]["name"]]


def test_a_released_package_installs_without_values(cluster: Cluster, tmp_path: Path) -> None:
    """Made as the release workflow makes it: everything is ready, by the digests in the package."""
    digests = [f"sha256:{64 * letter}" for letter in "abcd"]
    options = ("--version", "9.8.7", "--repository", "registry.example/btc-forecast", "--out", str(tmp_path))
    names = ("--digest", "--gpu-digest", "--kafka-digest", "--kafka-ui-digest")
    pairs = [part for pair in zip(names, digests, strict=True) for part in pair]
    subprocess.run([sys.executable, CHART.parent / "k8s" / "package.py", *options, *pairs], check=True, timeout=60)
    with cluster.namespace("package") as namespace, cluster.helm(namespace) as helm:
        helm.install(tmp_path / "btc-forecast-9.8.7.tgz", "btc", wait="watcher", timeout=180)
        pods = cluster.pods(namespace)
        assert all(map(is_ready, pods))
        assert {one["spec"]["containers"][0]["image"] for one in pods} == {
            f"registry.example/btc-forecast@{digests[0]}", f"docker.io/apache/kafka@{digests[2]}",
        }  # fmt: skip
        helm.uninstall("btc", wait="watcher", timeout=120)


def _names(cluster: Cluster, namespace: str) -> set[str]:
    return {f"{one['kind']}/{one['metadata']['name']}" for one in cluster.get(NAMESPACED, namespace)}
