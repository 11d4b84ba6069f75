"""One release of the chart on the real node: what it forecasts, what it lost, how it is reached."""

import base64
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from helm_python import Config

from tests.chart.objects import CHART, Object, laid_over, values_of
from tests.cluster.objects import until
from tests.cluster.real.node import Node, step

EXCHANGE: Object = {"settings": {
    "exchange_ws_url": "ws://exchange.exchange.svc.cluster.local:8000",
    "exchange_rest_url": "http://exchange.exchange.svc.cluster.local:8000",
    "source": "synthetic-7",
}, "networkPolicy": {"exchange": {"cidr": "10.244.0.0/16", "except": [], "ports": [8000]}}}  # fmt: skip
LATEST = "/v1/predictions/latest"
KEY = "a-key-for-tests"
SECONDS = """
import asyncio, json
from app.settings import settings
from app.up.topic_statistics import read_statistics
found = asyncio.run(read_statistics(settings()))
print(json.dumps({**found.seconds(), "dead": found.dead, "newest": max(found.collected)}))
"""
GET = """
import sys, urllib.request
request = urllib.request.Request("http://127.0.0.1:5001" + sys.argv[1], headers={"X-API-Key": sys.argv[2]})
print(urllib.request.urlopen(request, timeout=10).read().decode())
"""


class Release:
    """The release `btc` of one namespace."""

    def __init__(self, node: Node, helm: Config, namespace: str, values: dict[str, Any]) -> None:
        self.node, self.helm, self.namespace, self.values = node, helm, namespace, values

    def install(self, chart: Path = CHART) -> None:
        """Install it and wait until every pod is ready and there are forecasts."""
        with step("helm install: everything is ready"):
            self.helm.install(chart, "btc", self.values, wait="watcher", timeout=300)
        with step("forecasts for the newest seconds"):
            self.until_it_forecasts(180)

    def upgrade(self, changes: dict[str, Any]) -> None:
        """Upgrade it to this chart with other values and wait until every pod is ready."""
        self.values = laid_over(self.values, changes)
        self.helm.upgrade(CHART, "btc", self.values, wait="watcher", timeout=300, reset_values=True)

    def test(self) -> None:
        """Run `helm test`."""
        with step("helm test"):
            self.helm.test("btc", timeout=180)

    def uninstall(self) -> None:
        """Uninstall it and wait until every pod is gone."""
        with step("helm uninstall"):
            self.helm.uninstall("btc", wait="watcher", timeout=300)
            until(lambda: not self.node.get("pods", self.namespace), "every pod is gone", 330)

    def get(self, path: str) -> Any:
        """Return what the API answers, asked from inside its own pod."""
        pod = self.node.pod(self.namespace, "web-app")["metadata"]["name"]
        return json.loads(self.node.execute(self.namespace, pod, "python", "-c", GET, path, KEY))

    def is_forecasting(self) -> bool:
        """Return whether the API shows forecasts that are not stale."""
        try:
            rows = self.get(LATEST)["predictions"]
        except (RuntimeError, ValueError):  # not there, not ready, or no answer yet
            return False
        return bool(rows) and not any(row["stale"] or not row["forecasts"] for row in rows)

    def until_it_forecasts(self, patience_s: float = 120) -> None:
        """Wait until the API shows forecasts that are not stale."""
        until(self.is_forecasting, "the API shows forecasts of the newest seconds", patience_s)

    def counts(self) -> dict[str, Any]:
        """Return what the topics hold: seconds collected, predicted, lost, repeated, settled twice; dead letters."""
        pod = self.node.pod(self.namespace, "archive")["metadata"]["name"]
        return dict(json.loads(self.node.execute(self.namespace, pod, "python", "-c", SECONDS)))

    def assert_nothing_is_lost(self) -> None:
        """Wait until the worker has caught up; then no second is lost or repeated, and none was settled twice."""
        self.until_it_forecasts()
        until(lambda: self.counts()["lost"] <= 1, "every second is predicted")  # the newest may be on its way
        counts = self.counts()
        print(f"           {counts['predicted']} seconds predicted, lost {counts['lost']}, settled {counts['settled']}")
        assert (counts["repeated"], counts["settled_twice"], counts["dead"]) == (0, 0, 0), counts

    def trades_missing(self) -> list[str]:
        """Return the symbols whose trade ids in the archive have holes or repeats."""
        pod = self.node.pod(self.namespace, "archive")["metadata"]["name"]
        sql = "SELECT symbol FROM trades GROUP BY symbol HAVING max(id) - min(id) + 1 <> count(*)"
        rows = self.node.execute(self.namespace, pod, "btc", "archive", "query", sql, "--format", "json")
        return [json.loads(row)["symbol"] for row in rows.splitlines()]


@contextmanager
def release(node: Node, name: str, *sets: str, more: dict[str, Any] | None = None) -> Iterator[Release]:
    """Return a release of its own namespace, not yet installed; nothing is left of it afterwards."""
    values = laid_over(laid_over(values_of(*sets), EXCHANGE), more or {})
    with node.namespace(name) as namespace, node.helm(namespace) as helm:
        yield Release(node, helm, namespace, values)


def secrets(namespace: str, folder: Path) -> list[Object]:
    """Return the Secrets that production's values name: credentials, certificates and API keys."""
    hosts = ",".join(f"DNS:*.btc-{one}.{namespace}.svc.cluster.local" for one in ("kafka", "kafka-controller"))
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=btc",
         "-addext", f"subjectAltName={hosts}", "-keyout", folder / "tls.key", "-out", folder / "tls.crt"],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    certificate, key = (folder / "tls.crt").read_text(), (folder / "tls.key").read_text()
    return [
        _secret("btc-kafka-credentials", {"username": "btc", "password": "kafka-password-for-tests"}),
        _secret("btc-kafka-tls", {"ca.crt": certificate, "tls.crt": certificate, "tls.key": key}),
        _secret("btc-api-keys", {"api-keys": KEY}),
    ]


def _secret(name: str, data: dict[str, str]) -> Object:
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": encoded}


def previous_chart(folder: Path) -> Path:
    """Return the chart of the previous commit.

    Raises:
        RuntimeError: this is no checkout with a previous commit.

    """
    root = CHART.parent
    archived = subprocess.run(["git", "-C", root, "archive", "HEAD~1", "helm"], capture_output=True, check=False)
    if archived.returncode:
        raise RuntimeError(f"no previous commit: {archived.stderr.decode().strip()}")
    subprocess.run(["tar", "-x", "-C", folder], input=archived.stdout, check=True)
    return folder / "helm"
