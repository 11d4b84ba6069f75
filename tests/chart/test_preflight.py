"""What a cluster lacks is said before anything is created; the answers come from a small API server."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from helm_python import Chart, HelmError

from tests.chart.api_server import api_server
from tests.chart.objects import CHART, NAMESPACE, Object, chart, files, values_of

DEFAULT = {"storageclass.kubernetes.io/is-default-class": "true"}


def _object(version: str, kind: str, name: str, **more: Any) -> Object:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, **more}


def _class(name: str, **annotations: str) -> Object:
    metadata = {"name": name, "annotations": annotations}
    return {**_object("storage.k8s.io/v1", "StorageClass", name, provisioner="x"), "metadata": metadata}


def _secret(name: str, *keys: str) -> Object:
    metadata = {"name": name, "namespace": NAMESPACE}
    return {**_object("v1", "Secret", name, data=dict.fromkeys(keys, "eA==")), "metadata": metadata}


NAMESPACES = [_object("v1", "Namespace", name) for name in ("kube-system", NAMESPACE)]
CLUSTER = [*NAMESPACES, _class("standard", **DEFAULT)]
SECRETS = [
    _secret("btc-kafka-credentials", "username", "password"), _secret("btc-api-keys", "api-keys"),
    _secret("btc-kafka-tls", "ca.crt", "tls.crt", "tls.key"),
]  # fmt: skip


def _preflight(objects: list[Object], values: dict[str, Any], forbidden: str = "") -> str:
    """Render with a cluster; return the complaint, empty where there is none."""
    with api_server(objects, forbidden) as (_, helm):
        try:
            helm.render(chart(), values, name="btc", namespace=NAMESPACE)
        except HelmError as error:
            return str(error)
    return ""


@pytest.mark.parametrize(
    ("objects", "values"),
    [
        (CLUSTER, {}),
        ([*CLUSTER, *SECRETS], values_of("values-production")),
        ([*NAMESPACES, _class("fast")], {
            key: {"persistence": {"storageClass": "fast"}}
            for key in ("kafka", "kafkaController", "bitcoinForecastApp", "archive")
        }),
        ([*CLUSTER, _object("scheduling.k8s.io/v1", "PriorityClass", "btc-btc-batch", value=1000)], {}),
        ([*CLUSTER, _object("node.k8s.io/v1", "RuntimeClass", "nvidia", handler="x")], values_of("values-gpu")),
        ([NAMESPACES[1]], {"preflight": {"cluster": False}}),
    ],
    ids=["default", "production", "named class", "own priorities", "gpu", "no cluster-wide rights"],
)  # fmt: skip
def test_a_cluster_that_has_everything_is_accepted(objects: list[Object], values: dict[str, Any]) -> None:
    """No complaint."""
    assert _preflight(objects, values) == ""


@pytest.mark.parametrize(
    ("objects", "values", "complaints"),
    [
        (NAMESPACES, {},
         ["storageClass of kafka, kafkaController, bitcoinForecastApp, archive: it is empty", "(there is none)"]),
        ([*NAMESPACES, _class("slow")], {}, ["Name one (slow)", "kubectl annotate storageclass NAME"]),
        (CLUSTER, {"kafka": {"persistence": {"storageClass": "fast"}}}, ["no StorageClass fast, only: standard"]),
        ([*CLUSTER, _object("scheduling.k8s.io/v1", "PriorityClass", "btc-btc-batch", value=7)], {},
         ["priorityClasses.batch", "has the value 7", "kubectl delete priorityclass btc-btc-batch"]),
        (CLUSTER, values_of("values-gpu"), ["gpu.runtimeClassName: there is no RuntimeClass nvidia"]),
        (CLUSTER, {"secrets": {"apiKeys": "keys"}},
         ["secrets.apiKeys: the Secret keys in namespace btc",
          "kubectl -n btc create secret generic keys --from-literal=api-keys=…"]),
        ([*CLUSTER, _secret("keys", "other")], {"secrets": {"apiKeys": "keys"}}, ["or it lacks api-keys"]),
        (CLUSTER, {"image": {"pullSecrets": ["registry"]}},
         ["kubectl -n btc create secret docker-registry registry --docker-server=…"]),
        (CLUSTER, values_of("values-production"),
         ["create secret generic btc-kafka-credentials --from-literal=username=… --from-literal=password=…",
          "create secret generic btc-kafka-tls --from-file=ca.crt --from-file=tls.crt --from-file=tls.key"]),
        (CLUSTER, values_of("ci/external-kafka-values"),
         ["kafka.security.caSecret: the Secret kafka-ca", "kafka.security.clientCertSecret: the Secret kafka-client"]),
        ([NAMESPACES[1]], {"preflight": {"cluster": False}, "secrets": {"apiKeys": "keys"}}, ["the Secret keys"]),
    ],
)  # fmt: skip
def test_what_is_missing_is_named_with_what_to_do(
    objects: list[Object], values: dict[str, Any], complaints: list[str]
) -> None:
    """All of it at once, each with its value and the command or value that helps."""
    found = _preflight(objects, values)
    assert "nothing was changed" in found
    assert [one for one in complaints if one not in found] == [], found


@pytest.mark.parametrize(("channel", "refused"), [("standard", True), ("experimental", False)])
def test_sticky_sessions_need_the_experimental_channel(channel: str, refused: bool) -> None:
    """The CRD of the standard channel has no sessionPersistence."""
    crd = _object("apiextensions.k8s.io/v1", "CustomResourceDefinition", "httproutes.gateway.networking.k8s.io")
    crd["metadata"]["annotations"] = {"gateway.networking.k8s.io/channel": channel}
    found = _preflight([*CLUSTER, crd], values_of("ci/gateway-session-values"))
    assert ("gateway.sessionPersistence" in found) is refused, found


@pytest.mark.parametrize(
    ("values", "value", "kind"),
    [
        ({"serviceMonitor": {"enabled": True}}, "serviceMonitor.enabled", "ServiceMonitor"),
        ({"prometheusRule": {"enabled": True}}, "prometheusRule.enabled", "PrometheusRule"),
        ({"keda": {"enabled": True}}, "keda.enabled", "ScaledObject"),
        ({"vpa": {"enabled": True}}, "vpa.enabled", "VerticalPodAutoscaler"),
        ({"gateway": {"enabled": True}}, "gateway.enabled", "HTTPRoute"),
        ({"mesh": {"provider": "istio"}}, "mesh.provider: istio", "PeerAuthentication"),
    ],
)
def test_a_kind_that_the_api_server_does_not_know_is_refused(values: dict[str, Any], value: str, kind: str) -> None:
    """An install names the value and the kind; rendering without a cluster goes on."""
    with api_server(CLUSTER) as (_, helm), pytest.raises(HelmError, match=rf"{value}: the API server .*/{kind}\."):
        helm.install(chart(), "btc", values, dry_run="server")
    assert files(values)


def test_who_may_not_read_is_told_what() -> None:
    """Helm names the kind; without the checks nothing is read at all."""
    assert "storageclasses is forbidden" in _preflight(CLUSTER, {}, forbidden="storageclasses")
    with api_server([], "storageclasses") as (server, helm):
        helm.render(chart(), {"preflight": {"cluster": False, "secrets": False}}, name="btc", namespace=NAMESPACE)
    assert server.asked == []


def test_without_a_metrics_api_the_notes_name_the_hpas_that_cannot_scale(tmp_path: Path) -> None:
    """A warning, no failure: the release runs. The copy of the chart takes Helm's default versions for a cluster's."""
    shutil.copytree(CHART, tmp_path / "helm")
    path = tmp_path / "helm" / "templates" / "_preflight.tpl"
    path.write_text(path.read_text().replace('Has "v1/Namespace"', 'Has "v1"'))
    fixed = {key: {"hpa": {"enabled": False}} for key in ("dataCollector", "bitcoinForecastApp", "webApp", "dashboard")}
    with Chart.load(tmp_path / "helm") as copy:
        some, none = (
            copy.render(values, name="btc", namespace=NAMESPACE)["btc-forecast/templates/NOTES.txt"]
            for values in ({"webApp": {"hpa": {"enabled": False}}}, fixed)
        )
    assert "no metrics API" in some
    assert "dataCollector, bitcoinForecastApp, dashboard. Install metrics-server" in some
    assert "no metrics API" not in none
