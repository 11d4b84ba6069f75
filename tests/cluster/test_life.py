"""One release over time: upgrade, a failed upgrade, scale-out and scale-in, a drained node."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from helm_python import Config, HelmError

from tests.chart.objects import CHART, COMPONENTS
from tests.cluster.objects import Cluster, is_ready, until

WORKER = "bitcoin-forecast-app"
HTTP_COMPONENTS = ("web-app", "dashboard")


@pytest.fixture(scope="module")
def namespace(cluster: Cluster) -> Iterator[str]:
    """Return the namespace of the module's release, installed with defaults."""
    with cluster.namespace("life") as name, cluster.helm(name) as helm:
        helm.install(CHART, "btc", {}, wait="watcher", timeout=180)
        yield name
        helm.uninstall("btc", wait="watcher", timeout=120)


@pytest.fixture
def helm(cluster: Cluster, namespace: str) -> Iterator[Config]:
    """Return Helm in that namespace."""
    with cluster.helm(namespace) as config:
        yield config


def _uids(cluster: Cluster, namespace: str) -> dict[str, set[str]]:
    return {name: {pod["metadata"]["uid"] for pod in cluster.pods(namespace, name)} for name in COMPONENTS.values()}


def test_an_upgrade_replaces_what_it_changes(cluster: Cluster, namespace: str, helm: Config) -> None:
    """A changed setting restarts the processes that read it, and not Kafka."""
    before = _uids(cluster, namespace)
    helm.upgrade(CHART, "btc", {"settings": {"grace_ms": 60}}, wait="watcher", timeout=240)
    after = _uids(cluster, namespace)
    for name in COMPONENTS.values():
        assert bool(before[name] & after[name]) == (name in {"kafka", "kafka-controller"}), name


def test_an_upgrade_that_does_not_become_ready_is_rolled_back(cluster: Cluster, namespace: str, helm: Config) -> None:
    """With --atomic a bad image is rolled back; API and dashboard had a ready pod all the time."""
    stuck = {"podAnnotations": {"cluster.test/stuck": "ImagePullBackOff"}}
    with pytest.raises(HelmError):
        helm.upgrade(CHART, "btc", {"webApp": stuck, "dashboard": stuck}, wait="watcher", timeout=20,
                     rollback_on_failure=True)  # fmt: skip
    assert helm.history("btc")[-1]["status"] == "deployed"
    for name in HTTP_COMPONENTS:
        assert any(map(is_ready, cluster.pods(namespace, name)))


def test_a_node_is_drained_under_the_budgets(cluster: Cluster, namespace: str, helm: Config) -> None:
    """A drain moves every pod of a node elsewhere, one of a component at a time; everything is ready again."""
    several = {key: {"hpa": {"minReplicas": 2}} for key in ("webApp", "dashboard", "dataCollector")}
    helm.upgrade(CHART, "btc", several, wait="watcher", timeout=240)
    until(
        lambda: all(len([p for p in cluster.pods(namespace, n) if is_ready(p)]) == 2 for n in HTTP_COMPONENTS),
        "two of each",
    )
    node = cluster.pods(namespace, "web-app")[0]["spec"]["nodeName"]
    try:
        cluster.kubectl("drain", node, "--delete-emptydir-data", "--ignore-daemonsets", "--timeout=120s")
        for name in HTTP_COMPONENTS:
            assert any(map(is_ready, cluster.pods(namespace, name))), name
        until(lambda: _whole(cluster, namespace, node), "everything is ready on other nodes")
    finally:
        cluster.kubectl("uncordon", node)


def _whole(cluster: Cluster, namespace: str, without: str) -> bool:
    pods = cluster.pods(namespace)
    names = {pod["metadata"]["labels"]["app.kubernetes.io/component"] for pod in pods}
    return names == set(COMPONENTS.values()) and all(is_ready(p) and p["spec"]["nodeName"] != without for p in pods)


def test_workers_scale_out_under_load_and_scale_in_one_at_a_time(
    cluster: Cluster, namespace: str, helm: Config
) -> None:
    """Under load the HPA adds workers up to three; under low load it removes one at a time, the newest first.

    The last test of this file: what kubectl patched, Helm does not apply again.
    """
    loaded: dict[str, Any] = {"bitcoinForecastApp": {
        "podAnnotations": {"cluster.test/usage-cpu": "1400m", "cluster.test/usage-memory": "1Gi"},
        "hpa": {"scaleUp": {"stabilizationWindowSeconds": 0, "periodSeconds": 15}},
    }}  # fmt: skip
    helm.upgrade(CHART, "btc", loaded, wait="watcher", timeout=240)
    until(lambda: len([pod for pod in cluster.pods(namespace, WORKER) if is_ready(pod)]) == 3, "three workers", 240)
    shrink = {"stabilizationWindowSeconds": 0, "policies": [{"type": "Pods", "value": 1, "periodSeconds": 20}]}
    calm = {"spec": {"behavior": {"scaleDown": shrink}}}
    cluster.kubectl("-n", namespace, "patch", "hpa", f"btc-{WORKER}", "--type=merge", "-p", json.dumps(calm))
    for pod in cluster.pods(namespace, WORKER):
        cluster.kubectl("-n", namespace, "annotate", "--overwrite", "pod", pod["metadata"]["name"],
                        "cluster.test/usage-cpu=100m", "cluster.test/usage-memory=300Mi")  # fmt: skip
    seen = [3]
    deadline = time.monotonic() + 240
    while seen[-1] > 1 and time.monotonic() < deadline:
        (of,) = cluster.get("statefulsets", namespace, "-l", f"app.kubernetes.io/component={WORKER}")
        if of["spec"]["replicas"] != seen[-1]:
            seen.append(of["spec"]["replicas"])
        time.sleep(0.5)
    assert seen == [3, 2, 1]
    until(lambda: len(cluster.pods(namespace, WORKER)) == 1, "one worker")
    assert cluster.pods(namespace, WORKER)[0]["metadata"]["name"] == f"btc-{WORKER}-0"
    assert len(cluster.get("persistentvolumeclaims", namespace, "-l", f"app.kubernetes.io/component={WORKER}")) == 3
