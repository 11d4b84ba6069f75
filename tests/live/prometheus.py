"""A real Prometheus on loopback: scrape jobs as the operator makes them from the chart, and its HTTP API."""

import math
import re
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from app.service import ports
from tests.chart.objects import NAMESPACE, Object, one_of
from tests.chart.test_observability import OPERATIONS, dashboards

Sample = tuple[dict[str, str], float]
KEPT = {"sourceLabels": "source_labels", "targetLabel": "target_label"}  # the operator's word → Prometheus' own


def job(objects: list[Object], component: str, port: int) -> dict[str, Any]:
    """Return the scrape job of a component's ServiceMonitor, for one pod that listens on this port of this machine."""
    service, monitor = one_of(objects, "Service", component), one_of(objects, "ServiceMonitor", component)
    (endpoint,) = monitor["spec"]["endpoints"]
    name = service["metadata"]["name"]
    discovered = {meta("service", label): value for label, value in service["metadata"]["labels"].items()}
    of_operator = {"namespace": NAMESPACE, "service": name, "pod": f"{name}-0", "endpoint": endpoint["port"]}
    return {
        "job_name": name,
        "metrics_path": endpoint["path"],
        "static_configs": [{"targets": [f"127.0.0.1:{port}"], "labels": discovered | of_operator}],
        "relabel_configs": [{KEPT[key]: value for key, value in one.items()} for one in endpoint["relabelings"]],
    }


def meta(of: str, label: str) -> str:
    """Return the name under which Prometheus discovers a label of a Service or pod.

    >>> meta("pod", "app.kubernetes.io/name")
    '__meta_kubernetes_pod_label_app_kubernetes_io_name'
    """
    return f"__meta_kubernetes_{of}_label_" + "".join(one if one.isalnum() else "_" for one in label)


class Prometheus:
    """A running server."""

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=url, timeout=10, trust_env=False)

    def close(self) -> None:
        """Close the connection to it."""
        self._http.close()

    def get(self, path: str, **parameters: Any) -> Any:
        """Return the data of an answer of /api/v1; a query it cannot evaluate is an error."""
        answer = self._http.get(f"/api/v1/{path}", params=parameters).json()
        assert answer["status"] == "success", (parameters, answer)
        return answer["data"]

    def is_ready(self) -> bool:
        """Return whether it answers queries."""
        try:
            return self._http.get("/-/ready").status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    def samples(self, expression: str) -> list[Sample]:
        """Return what an expression gives now, without what is not a number."""
        found = self.get("query", query=expression)["result"]
        rows = [(one["metric"], float(one["value"][1])) for one in found]
        return [row for row in rows if not math.isnan(row[1])]

    def rules(self) -> list[dict[str, Any]]:
        """Return every loaded rule and how its last evaluation went."""
        return [rule for group in self.get("rules")["groups"] for rule in group["rules"]]

    def label_values(self, query: str) -> list[str]:
        """Return the values of Grafana's `label_values(series, label)`."""
        series, _, label = query.removeprefix("label_values(").removesuffix(")").rpartition(", ")
        return list(self.get(f"label/{label}/values", **{"match[]": series}))


def guides_job() -> dict[str, Any]:
    """Return the scrape job that the operations guide gives to those without the Prometheus operator."""
    found = re.search(r"```yaml\n(- job_name.+?)```", OPERATIONS.read_text(), re.DOTALL)
    assert found
    (only,) = yaml.safe_load(found[1])
    return dict(only)


def queries(of: Prometheus) -> dict[str, str]:
    """Return every query of every dashboard by its place, with the variables as Grafana fills them in."""
    found = {}
    for name, board in dashboards().items():
        chosen: dict[str, str] = {}
        for variable in board["templating"]["list"]:
            if variable["type"] == "query":
                (chosen[variable["name"]],) = of.label_values(_filled(variable["query"], chosen))
        for panel in board["panels"]:
            for target in panel["targets"]:
                found[f"{name}, {panel['title']}, {target['refId']}"] = _filled(target["expr"], chosen)
    return found


def _filled(text: str, chosen: dict[str, str]) -> str:
    for name, value in chosen.items():
        text = text.replace(f"${name}", value)
    return text


@contextmanager
def running(
    binary: str, folder: Path, jobs: list[dict[str, Any]], rules: list[dict[str, Any]],
    *, inside: Sequence[str | Path] = (), address: str = "127.0.0.1",
) -> Iterator[Prometheus]:  # fmt: skip
    """Run Prometheus with these jobs and rules, both once a second; `inside` is a command that runs a command."""
    folder.mkdir()
    every = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    config = {"global": every, "scrape_configs": jobs, "rule_files": ["rules.yaml"]}
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))
    (folder / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "btc", "rules": rules}]}))
    port = ports.free_port()
    command = [*inside, binary, f"--config.file={folder}/prometheus.yaml", f"--storage.tsdb.path={folder}/data",
               f"--web.listen-address={address}:{port}"]  # fmt: skip
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    server, deadline = Prometheus(f"http://{address}:{port}"), time.monotonic() + 30
    try:
        while not server.is_ready():
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"Prometheus does not start: {(folder / 'log').read_text()[-2000:]}")
            time.sleep(0.1)
        yield server
    finally:
        server.close()
        process.terminate()
        process.wait(20)
