"""The chart as Helm and Kubernetes see it: strict lint, schemas, values that are refused."""

import json
import re
from collections import Counter
from functools import lru_cache
from typing import Any

import pytest
from helm_python import HelmError, lint
from kubernetes_validate import utils as validation  # type: ignore[import-untyped]

from app.settings import Settings
from tests.chart.objects import CHART, COMPONENTS, Object, chart, files, parse, render, sets, values_of

MINORS = ("1.28", "1.30", "1.32", "1.34", "1.35")
FOREIGN = {  # kinds of operators; Kubernetes has no schemas of them
    "ServiceMonitor", "PrometheusRule", "VerticalPodAutoscaler", "ScaledObject", "TriggerAuthentication",
    "PeerAuthentication", "HTTPRoute",
}  # fmt: skip


@pytest.fixture(scope="module")
def every_set() -> dict[str, list[Object]]:
    """Return each ready-made set of values and each file of ci/, rendered."""
    return {name: render(values_of(name)) for name in sets()}


@pytest.mark.parametrize("name", sets())
def test_lints_strictly(name: str) -> None:
    """Helm's strict lint has no message about any set of values."""
    report = lint(CHART, values_of(name), strict=True, namespace="btc", kube_version="v1.28.0")
    assert report["messages"] == []
    assert report["errors"] == []


@pytest.mark.parametrize("minor", MINORS)
def test_every_object_fits_the_schema_of_kubernetes(
    every_set: dict[str, list[Object]], minor: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each object of each set is valid, strictly, in each supported minor version of Kubernetes."""
    monkeypatch.setattr(validation, "schema_contents", lru_cache(validation.schema_contents))  # it reads 2 MB each time
    seen: set[str] = set()
    for objects in every_set.values():
        for one in objects:
            text = json.dumps(one)
            if one["kind"] not in FOREIGN and text not in seen:
                seen.add(text)
                validation.validate(one, minor, strict=True)
    assert len(seen) > 100


def test_every_option_that_is_off_is_on_in_a_ci_file(every_set: dict[str, list[Object]]) -> None:
    """The ci files together render every object the chart has a template for, in every template file."""
    declared = Counter(
        (f"btc-forecast/{one['name']}", kind)
        for one in chart().templates if one["name"].endswith(".yaml")
        for kind in re.findall(r"^kind: (\w+)$", one["data"], re.MULTILINE)
    )  # fmt: skip
    rendered = Counter(path_and_kind for path_and_kind, _ in {
        ((path, one["kind"]), one["metadata"]["name"])
        for name in every_set for path, text in files(values_of(name)).items() for one in parse(path, text)
    })  # fmt: skip
    assert {path for path, _ in declared} == {
        f"btc-forecast/{one['name']}" for one in chart().templates if one["name"].endswith(".yaml")
    }
    assert declared.keys() == rendered.keys()
    assert declared <= rendered  # a template with a loop renders more


def test_no_object_is_rendered_twice(every_set: dict[str, list[Object]]) -> None:
    """Kind and name are unique in each set of values."""
    for name, objects in every_set.items():
        titles = [(one["kind"], one["metadata"]["name"]) for one in objects]
        assert len(titles) == len(set(titles)), name


def test_templates_are_small() -> None:
    """One template is a page long."""
    assert all(len(one["data"].splitlines()) < 100 for one in chart().templates if one["name"].endswith(".yaml"))


def test_every_value_has_a_comment() -> None:
    """Each line of values.yaml that sets a value has a comment."""
    silent = [
        line for line in (CHART / "values.yaml").read_text().splitlines()
        if re.match(r"\s+\S+:", line) and "#" not in line
    ]  # fmt: skip
    assert silent == []


def test_every_setting_is_in_the_values() -> None:
    """Each field of Settings is under `settings`, and nothing else is."""
    assert set(chart().values["settings"]) == set(Settings.model_fields)


def test_components_are_named_alike() -> None:
    """Each component has its values under its own name."""
    assert set(COMPONENTS) <= set(chart().values)


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"bitcoinForecastApp": {"hpa": {"maxReplicas": 9}}}, "settings.partitions"),
        ({"dataCollector": {"hpa": {"maxReplicas": 9}}}, "settings.partitions"),
        ({"bitcoinForecastApp": {"hpa": {"scaleDown": {"stabilizationWindowSeconds": 300}}}}, "600"),
        ({"vpa": {"enabled": True}, "webApp": {"vpa": {"mode": "Auto"}}}, "only propose"),
        ({"kafka": {"enabled": False}}, "kafka.bootstrap"),
        ({"kafka": {"enabled": False, "bootstrap": "a:9092"}}, "kafkaNamespaces"),
        ({"kafka": {"security": {"protocol": "SSL"}}}, "tlsSecret"),
        ({"kafka": {"security": {"protocol": "SASL_PLAINTEXT"}}}, "credentialsSecret"),
        ({"settings": {"replication_factor": 3}}, "kafka.replicas"),
        ({"settings": {"kafka_password": "secret"}}, "kafka_password"),
        ({"settings": {"api_keys": "secret"}}, "api_keys"),
        ({"image": {"digest": f"sha256:{64 * 'c'}"}, "bitcoinForecastApp": {"gpu": {"enabled": True}}}, "imageDigest"),
        ({"archive": {"replicas": 2}}, "archive"),
        ({"archive": {"shareWithWebApp": True}}, "ReadWriteMany"),
        ({"mesh": {"provider": "consul"}}, "mesh"),
        ({"webapp": {}}, "webapp"),
    ],
)
def test_values_that_cannot_work_are_refused_with_the_reason(values: dict[str, Any], complaint: str) -> None:
    """Values that cannot work fail at once and name what is wrong."""
    with pytest.raises(HelmError, match=re.escape(complaint)):
        render(values)
