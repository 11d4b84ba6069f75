"""A real Prometheus over every process: rules evaluate, a healthy system fires nothing, dashboards show data."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from app.service import ports
from benchmarks.processes import NotReadyError, Processes, until
from tests.chart.objects import pods, render, values_of
from tests.chart.test_observability import rules
from tests.live import prometheus
from tests.live.prometheus import Prometheus, meta

COMMANDS = {"data-collector": "collect", "archive": "archive", "dashboard": "dashboard", "kafka-ui": "kafka-ui",
            "trainer": "train", "web-app": "api", "bitcoin-forecast-app": "worker",
            "kafka": "kafka-monitor"}  # fmt: skip
ROUTES = (
    "predictions/latest",
    "predictions?symbol=BTCUSDT",
    "bars?symbol=BTCUSDT",
    "scores",
    "models",
    "feed",
    "status",
)
HEALTHY = {  # alerts whose expression is true in a healthy system, for less time than they wait
    "BtcFallback",  # naive serves until a model has won; waits six hours
    "BtcFeedSkipsSeconds",  # the five minutes that it looks at had fewer seconds; waits ten
}
PATIENCE_S = 60.0
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def binary() -> str:
    """Return Prometheus' server, or skip where there is none."""
    found = shutil.which("prometheus")
    if found is None:
        pytest.skip("no prometheus on this machine: Debian's package of that name brings it")
    return found


@pytest.fixture(scope="module")
def server(binary: str, kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Prometheus, Processes]]:
    """Run every process of the chart on a synthetic exchange, and Prometheus once forecasts are shown."""
    folder = tmp_path_factory.mktemp("prometheus")
    exchange = ports.free_port()
    with Processes(
        folder, kafka, "prometheus", partitions=1, source="synthetic-7", train_history_s=900, board_history_s=600,
        dashboard_port=ports.free_port(), kafka_ui_port=ports.free_port(),
        exchange_ws_url=f"ws://127.0.0.1:{exchange}", exchange_rest_url=f"http://127.0.0.1:{exchange}",
    ) as processes:  # fmt: skip
        processes.start("exchange", "exchange", "--synthetic", "7", "--port", str(exchange))
        listening = {component: _start(processes, command) for component, command in COMMANDS.items()}
        processes.wait(lambda: _is_fresh(processes), "fresh forecasts in the API")
        processes.wait(lambda: _text(listening["dashboard"], "/readyz") == "ok", "the dashboard to be ready")
        objects = render(values_of("ci/monitoring-values"))
        jobs = [prometheus.job(objects, component, port) for component, port in listening.items()]
        with prometheus.running(binary, folder / "server", jobs, rules()) as running:
            yield running, processes


def _start(processes: Processes, command: str) -> int:
    """Start a process as in a pod: with a metrics port of its own; return the port that is scraped."""
    processes.settings = processes.settings.model_copy(update={"metrics_port": ports.free_port()})
    processes.start(command)
    return processes.settings.worker_port if command == "worker" else processes.settings.metrics_port


def _text(port: int, path: str) -> str:
    try:
        return httpx.get(f"http://127.0.0.1:{port}{path}", timeout=5).text
    except httpx.HTTPError:
        return ""


def _is_fresh(processes: Processes) -> bool:
    return '"stale":false' in _text(processes.settings.api_port, "/v1/status")


def _use(processes: Processes) -> bool:
    """Ask for everything that users ask for; return whether the API has it all."""
    address = f"127.0.0.1:{processes.settings.api_port}/v1"
    try:
        statuses = [httpx.get(f"http://{address}/{route}", timeout=5).status_code for route in ROUTES]
        with connect(f"ws://{address}/stream", proxy=None, open_timeout=5) as client:
            client.recv(5)
    except (httpx.HTTPError, OSError):
        return False
    return set(statuses) == {200}


def _wait_until_empty(missing: Any, processes: Processes, what: str) -> None:
    """Wait until nothing is missing; the failure says what is."""
    try:
        processes.wait(lambda: _use(processes) and not missing(), what, PATIENCE_S)
    except NotReadyError:
        pytest.fail(f"{what}: {missing()}")


def test_every_process_is_scraped_and_every_query_of_every_dashboard_has_data(
    server: tuple[Prometheus, Processes],
) -> None:
    """Each target has its release and component; the figures come from the running processes."""
    running, processes = server

    def missing() -> list[str]:
        up = {labels["component"] for labels, value in running.samples('up{namespace="btc",release="btc"}') if value}
        absent = sorted(COMMANDS.keys() - up)
        return absent or [place for place, query in prometheus.queries(running).items() if not running.samples(query)]

    _wait_until_empty(missing, processes, "targets that are up, and queries with data")


def test_every_rule_evaluates_and_every_record_has_data(server: tuple[Prometheus, Processes]) -> None:
    """No record may stay empty: an alert over it would be silent."""
    running, processes = server

    def missing() -> list[str]:
        found = running.rules()
        broken = [f"{rule['name']}: {rule.get('lastError', '')}" for rule in found if rule["health"] != "ok"]
        records = [rule["name"] for rule in found if rule["type"] == "recording"]
        return broken or [name for name in records if not running.samples(f'{name}{{namespace="btc",release="btc"}}')]

    _wait_until_empty(missing, processes, "rules that evaluate, and records with data")
    assert len(running.rules()) == len(rules())


def test_a_healthy_system_fires_no_alert_and_begins_none(server: tuple[Prometheus, Processes]) -> None:
    """Alerts wait minutes before they fire, so not even their expressions may be true."""
    running, processes = server

    def begun() -> dict[str, Any]:
        found = {rule["alert"]: running.samples(rule["expr"]) for rule in rules() if "alert" in rule}
        return {name: samples for name, samples in found.items() if samples and name not in HEALTHY}

    _wait_until_empty(begun, processes, "no alert begins")


def _discovered() -> Iterator[dict[str, str]]:
    """Yield what Prometheus discovers of each container port of the chart's pods."""
    for name, pod in pods(render(values_of("ci/monitoring-values"))):
        labels = {meta("pod", label): value for label, value in pod["metadata"]["labels"].items()}
        for one in pod["spec"]["containers"]:
            for port in one.get("ports", []):
                yield {
                    **labels,
                    "__meta_kubernetes_namespace": "btc",
                    "__meta_kubernetes_pod_name": f"{name}-0",
                    "__meta_kubernetes_pod_container_port_name": port["name"],
                }


def test_the_scrape_job_of_the_operations_guide_finds_the_same_with_the_same_labels(
    binary: str, tmp_path: Path
) -> None:
    """For those without the Prometheus operator."""
    job = prometheus.guides_job()
    assert job.pop("kubernetes_sd_configs") == [{"role": "pod"}]
    job["static_configs"] = [{"targets": ["127.0.0.1:9"], "labels": labels} for labels in _discovered()]
    with prometheus.running(binary, tmp_path / "server", [job], rules()) as running:
        targets = until(lambda: running.get("targets", state="active")["activeTargets"], "targets", 20)
    labels = [one["labels"] for one in targets]
    assert {(one["namespace"], one["release"]) for one in labels} == {("btc", "btc")}
    assert sorted(one["component"] for one in labels) == sorted(COMMANDS)
    assert all(one["pod"] == f"btc-{one['component']}-0" for one in labels)
