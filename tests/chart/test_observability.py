"""Observability: ServiceMonitors, alert rules with runbooks, dashboards, and the metrics they query."""

import json
import re
from typing import Any

import promql_parser
import pytest
import yaml
from prometheus_client import REGISTRY

from app import metrics
from tests.chart.objects import CHART, COMPONENT, COMPONENTS, of_kind, one_of, render, values_of

OPERATIONS = CHART.parent / "docs" / "operations.md"
OTHERS = {"kubelet_volume_stats_available_bytes", "kubelet_volume_stats_capacity_bytes", "process_cpu_seconds_total",
          "process_resident_memory_bytes", "up"}  # fmt: skip
PROMISES = ("Availability", "Latency", "Freshness")
BURNS = {"5m": ("1h", 14.4), "30m": ("6h", 6), "2h": ("1d", 3), "6h": ("3d", 1)}


def rules(release: str = "btc") -> list[dict[str, Any]]:
    """Return every rule of the rendered PrometheusRule of a release."""
    (found,) = of_kind(render(values_of("ci/monitoring-values"), release), "PrometheusRule")
    return [rule for group in found["spec"]["groups"] for rule in group["rules"]]


def alerts() -> dict[str, dict[str, Any]]:
    """Return every alert by its name."""
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


def known() -> set[str]:
    """Return the name of every series that the processes export and these rules record."""
    assert metrics
    found = {f"{family.name}{suffix}" for family in REGISTRY.collect() if family.name.startswith("btc_")
             for suffix in ("", "_total", "_bucket", "_count", "_sum")}  # fmt: skip
    return found | OTHERS | {rule["record"] for rule in rules() if "record" in rule}


def dashboards() -> dict[str, dict[str, Any]]:
    """Return every dashboard by its file name."""
    return {path.name: json.loads(path.read_text()) for path in sorted((CHART / "dashboards").glob("*.json"))}


def names_in(expression: str) -> set[str]:
    """Return the series that an expression queries; it must parse."""
    promql_parser.parse(expression)
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]|(by|on|without) \([^)]*\)|\"[^\"]*\"", " ", expression)
    return set(re.findall(r"\b(?:btc|kubelet|process|up\b)[\w:]*", bare))


def test_every_rule_parses_and_queries_series_that_exist() -> None:
    """Each expression is valid PromQL over metrics of app/metrics.py, recorded rules or the kubelet."""
    for rule in rules():
        assert names_in(rule["expr"]) <= known(), rule


def test_every_rule_and_panel_selects_one_release() -> None:
    """Each selector names namespace and release; the kubelet's series have no release, so there the claims do."""
    for expression in [rule["expr"] for rule in rules()]:
        for selector in re.findall(r"\{([^}]*)\}", expression):
            claims = 'persistentvolumeclaim=~"data-btc-'
            assert 'namespace="btc", release="btc"' in selector or (
                'namespace="btc"' in selector and claims in selector
            )
    for target in _targets():
        selectors = re.findall(r"\{([^}]*)\}", target["expr"])
        assert selectors
        assert all('namespace="$namespace",release="$release"' in one for one in selectors), target
    for rule in rules():
        grouped = re.findall(r"(?:by|on) \(([^)]*)\)", rule["expr"])
        assert all(labels.startswith("namespace, release") for labels in grouped), rule


def test_no_rule_and_no_panel_uses_a_label_that_does_not_exist() -> None:
    """Labels in selectors and groupings are those the metrics declare, or those of Kubernetes."""
    labels = {label for one in vars(metrics).values() for label in getattr(one, "_labelnames", ())}
    allowed = labels | {"namespace", "release", "component", "persistentvolumeclaim", "le"}
    for expression in [rule["expr"] for rule in rules()] + [target["expr"] for target in _targets()]:
        grouped = {part.strip() for inner in re.findall(r"(?:by|on) \(([^)]*)\)", expression)
                   for part in inner.split(",") if part.strip()}  # fmt: skip
        selected = {
            name for inner in re.findall(r"\{([^}]*)\}", expression) for name in re.findall(r"(\w+)=~?\"", inner)
        }
        assert grouped | selected <= allowed, expression


def test_brokers_of_your_own_have_no_alerts_here() -> None:
    """Without a monitor beside them, its series are absent for ever."""
    own = {"prometheusRule": {"enabled": True}, **values_of("ci/external-kafka-values")}
    (found,) = of_kind(render(own), "PrometheusRule")
    assert "btc-kafka" not in {group["name"] for group in found["spec"]["groups"]}
    assert "BtcKafkaDown" in alerts()


@pytest.mark.parametrize("promise", PROMISES)
def test_promises_are_watched_by_burn_rates_in_two_windows(promise: str) -> None:
    """Fast burns page, slow burns make a ticket; each looks at a long and a short window."""
    found = alerts()
    for short, (long, factor) in BURNS.items():
        kind = "Fast" if factor >= 6 else "Slow"
        rule = found[f"Btc{promise}{kind}{long.upper()}"]
        slug = promise.lower()
        assert f"btc:{slug}:error_ratio_{short}" in rule["expr"]
        assert f"btc:{slug}:error_ratio_{long}" in rule["expr"]
        assert f"> {factor} *" in rule["expr"]
        assert rule["labels"]["severity"] == ("page" if kind == "Fast" else "ticket")


def test_availability_is_three_nines() -> None:
    """The availability alerts allow one request in a thousand to fail."""
    assert "14.4 * 0.001" in alerts()["BtcAvailabilityFast1H"]["expr"]


@pytest.mark.parametrize("name", ["BtcLag", "BtcFeedIncomplete", "BtcFeedSilent", "BtcCoverage"])
def test_lag_feed_and_coverage_have_alerts(name: str) -> None:
    """What a burn rate does not see has an alert of its own."""
    assert name in alerts()


def test_every_alert_has_a_page_in_the_operations_guide() -> None:
    """Each runbook address is a heading of docs/operations.md."""
    headings = {re.sub(r"[^\w -]", "", line.lstrip("# ")).strip().lower().replace(" ", "-")
                for line in OPERATIONS.read_text().splitlines() if line.startswith("#")}  # fmt: skip
    for rule in alerts().values():
        page, _, anchor = rule["annotations"]["runbook_url"].partition("#")
        assert page == "docs/operations.md"
        assert anchor in headings, anchor


def test_every_panel_of_every_dashboard_queries_series_that_exist() -> None:
    """Dashboards are valid JSON with unique ids, and every panel's expression works."""
    found = dashboards()
    assert len(found) >= 4
    assert len({one["uid"] for one in found.values()}) == len(found)
    for target in _targets():
        assert names_in(target["expr"].replace("$namespace", "btc")) <= known(), target


def _targets() -> list[dict[str, Any]]:
    return [target for one in dashboards().values() for panel in one["panels"] for target in panel["targets"]]


def test_grafana_gets_every_dashboard() -> None:
    """The ConfigMap carries the files under the label Grafana's sidecar looks for."""
    objects = render(values_of("ci/monitoring-values"))
    (found,) = [one for one in of_kind(objects, "ConfigMap") if one["metadata"]["name"] == "btc-dashboards"]
    assert set(found["data"]) == set(dashboards())
    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"


def test_every_process_is_scraped() -> None:
    """Each has a ServiceMonitor on the metrics port of its Service."""
    objects = render(values_of("ci/monitoring-values"))
    for component in set(COMPONENTS.values()) - {"kafka-controller"}:
        monitor = one_of(objects, "ServiceMonitor", component)["spec"]
        service = one_of(objects, "Service", component)
        assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
        assert monitor["endpoints"][0]["port"] in {port["name"] for port in service["spec"]["ports"]}
        assert service["metadata"]["labels"][COMPONENT] == component
        relabelled = {one["targetLabel"]: one["sourceLabels"] for one in monitor["endpoints"][0]["relabelings"]}
        for label, of in {"release": "instance", "component": "component"}.items():
            assert relabelled[label] == [f"__meta_kubernetes_service_label_app_kubernetes_io_{of}"]


def test_logs_are_ecs_json_in_all_processes_and_in_kafka() -> None:
    """The project's processes log ECS by setting, Kafka by its log4j pattern, which is one JSON object a line."""
    objects = render()
    (kafka,) = [one for one in of_kind(objects, "ConfigMap") if one["metadata"]["name"] == "btc-kafka"]
    layout = yaml.safe_load(kafka["data"]["log4j2.yaml"])["Configuration"]["Appenders"]["Console"]["PatternLayout"]
    line = re.sub(r"%(?:enc|d)?(?:\{[^{}]*\}|\{%\w+\})*(?:[a-zA-Z])?", "x", layout["pattern"].replace("%n", ""))
    assert json.loads(line).keys() >= {"@timestamp", "log.level", "message", "ecs.version", "service.name"}
