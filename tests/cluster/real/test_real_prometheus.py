"""A real Prometheus beside the real node scrapes every process by the job of the operations guide, and has all data."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.chart.objects import COMPONENTS
from tests.chart.test_observability import rules
from tests.cluster.objects import until
from tests.cluster.real.node import Node, step
from tests.cluster.real.release import LATEST, Release, release
from tests.live import prometheus
from tests.live.prometheus import Prometheus, meta

NAMESPACE = "real-prometheus"
SILENT = {"kafka-controller"}  # the brokers' monitors speak for the controllers
ROUTES = (LATEST, "/v1/status", "/v1/bars?symbol=BTCUSDT", "/v1/scores")


def test_prometheus_scrapes_every_pod_and_every_rule_and_panel_has_data(node: Node, tmp_path: Path) -> None:
    """At the pods' addresses, with the labels that the rules select by."""
    binary = shutil.which("prometheus")
    if binary is None:
        pytest.skip("no prometheus on this machine: Debian's package of that name brings it")
    job = prometheus.guides_job()
    assert job.pop("kubernetes_sd_configs") == [{"role": "pod"}]  # Debian's Prometheus is built without it
    loaded = json.loads(json.dumps(rules()).replace(r"namespace=\"btc\"", rf"namespace=\"{NAMESPACE}\""))
    inside, address = node.network, node.address
    with release(node, NAMESPACE) as one:
        one.install()
        job["static_configs"] = list(_discovered(node))
        with (
            prometheus.running(binary, tmp_path / "server", [job], loaded, inside=inside, address=address) as server,
            step("every pod is scraped, every rule and every panel has data"),
        ):
            until(lambda: _use(one) and not _missing(server), "data of every process, rule and panel", 180)
        one.uninstall()


def _discovered(node: Node) -> Iterator[dict[str, Any]]:
    """Yield each container port of the namespace's pods, labelled as Prometheus would discover it."""
    for pod in node.pods(NAMESPACE):
        labels = {meta("pod", label): value for label, value in pod["metadata"]["labels"].items()}
        labels["__meta_kubernetes_namespace"] = NAMESPACE
        labels["__meta_kubernetes_pod_name"] = pod["metadata"]["name"]
        for port in (port for one in pod["spec"]["containers"] for port in one.get("ports", [])):
            named = {**labels, "__meta_kubernetes_pod_container_port_name": port.get("name", "")}
            yield {"targets": [f"{pod['status']['podIP']}:{port['containerPort']}"], "labels": named}


def _use(one: Release) -> bool:
    return all(one.get(route) for route in ROUTES)


def _missing(server: Prometheus) -> list[str]:
    selector = f'namespace="{NAMESPACE}",release="btc"'
    up = {labels["component"] for labels, value in server.samples(f"up{{{selector}}}") if value}
    absent = sorted(set(COMPONENTS.values()) - SILENT - up)
    found = server.rules()
    broken = [f"{rule['name']}: {rule.get('lastError', '')}" for rule in found if rule["health"] != "ok"]
    records = [rule["name"] for rule in found if rule["type"] == "recording"]
    empty = [name for name in records if not server.samples(f"{name}{{{selector}}}")]
    if not absent:
        empty += [place for place, query in prometheus.queries(server).items() if not server.samples(query)]
    missing = absent + broken + empty
    if missing:
        print("           missing yet:", ", ".join(missing[:5]))
    return missing
