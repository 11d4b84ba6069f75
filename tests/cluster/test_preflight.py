"""What a cluster lacks, as a real API server answers: refused before anything is created."""

import json
from collections.abc import Iterator

import pytest
from helm_python import Config, HelmError

from tests.chart.objects import CHART, Object, values_of
from tests.cluster.objects import NAMESPACED, Cluster, until

METRICS = "v1beta1.metrics.k8s.io"
DEFAULT = "storageclass.kubernetes.io/is-default-class"


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """Return an empty namespace."""
    with cluster.namespace("preflight") as name:
        yield name
    cluster.kubectl("delete", "namespace", name, "--ignore-not-found")


@pytest.fixture
def helm(cluster: Cluster, namespace: str) -> Iterator[Config]:
    """Return Helm in that namespace."""
    with cluster.helm(namespace) as config:
        yield config


def _names(cluster: Cluster, namespace: str) -> set[str]:
    return {f"{one['kind']}/{one['metadata']['name']}" for one in cluster.get(NAMESPACED, namespace)}


def test_missing_secrets_are_named_and_nothing_is_created(cluster: Cluster, namespace: str, helm: Config) -> None:
    """All three of production at once; the printed commands make what is missing."""
    before = _names(cluster, namespace)
    with pytest.raises(HelmError) as refused:
        helm.install(CHART, "btc", values_of("values-production"))
    for name in ("btc-api-keys", "btc-kafka-credentials", "btc-kafka-tls"):
        assert f"kubectl -n {namespace} create secret generic {name}" in str(refused.value)
    assert _names(cluster, namespace) == before
    keys = ("--from-literal=api-keys=a",)
    cluster.kubectl("-n", namespace, "create", "secret", "generic", "btc-api-keys", *keys)
    helm.install(CHART, "btc", {"secrets": {"apiKeys": "btc-api-keys"}}, dry_run="server")


def test_a_namespace_that_helm_will_make_is_judged_too(cluster: Cluster) -> None:
    """With --create-namespace the namespace is not there yet, and neither are its Secrets."""
    with cluster.helm("not-yet") as helm, pytest.raises(HelmError, match="the Secret keys in namespace not-yet"):
        helm.install(CHART, "btc", {"secrets": {"apiKeys": "keys"}}, create_namespace=True)


def test_without_a_default_class_of_storage_nothing_hangs(cluster: Cluster, helm: Config) -> None:
    """The components are named, and a named class is accepted."""
    defaults = [
        one["metadata"]["name"] for one in cluster.get("storageclasses", "default")
        if one["metadata"].get("annotations", {}).get(DEFAULT) == "true"
    ]  # fmt: skip
    assert defaults
    for name in defaults:
        cluster.kubectl("annotate", "--overwrite", "storageclass", name, f"{DEFAULT}=false")
    try:
        with pytest.raises(HelmError, match="of kafka, kafkaController, bitcoinForecastApp, archive: it is empty"):
            helm.install(CHART, "btc", {})
        named = {"persistence": {"storageClass": defaults[0]}}
        keys = ("kafka", "kafkaController", "bitcoinForecastApp", "archive")
        helm.install(CHART, "btc", dict.fromkeys(keys, named), dry_run="server")
    finally:
        for name in defaults:
            cluster.kubectl("annotate", "--overwrite", "storageclass", name, f"{DEFAULT}=true")


def test_a_priority_that_cannot_change_is_refused(cluster: Cluster, namespace: str, helm: Config) -> None:
    """A class of that name with another value, from whomever."""
    name = f"btc-{namespace}-batch"
    one = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": name}, "value": 7}
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(one))
    try:
        with pytest.raises(HelmError, match=f"kubectl delete priorityclass {name}"):
            helm.install(CHART, "btc", {})
    finally:
        cluster.kubectl("delete", "priorityclass", name)


@pytest.mark.parametrize("name", ["monitoring", "keda", "vpa", "gateway", "istio"])
def test_kinds_of_operators_that_are_not_there_are_named(helm: Config, name: str) -> None:
    """The value that needs them is named, where Helm alone would name only the kind."""
    with pytest.raises(HelmError, match=r"(enabled|istio): the API server does not know .*/v1"):
        helm.install(CHART, "btc", values_of(f"ci/{name}-values"), dry_run="server")


def test_without_metrics_the_notes_warn(cluster: Cluster, namespace: str) -> None:
    """HPAs without metrics change nothing, so the release is installed all the same."""

    def warns() -> bool:
        with cluster.helm(namespace) as helm:  # a Helm keeps what it discovered
            return "no metrics API" in helm.install(CHART, "btc", {}, dry_run="server")["notes"]

    assert not warns()
    service: Object = json.loads(cluster.kubectl("get", "apiservice", METRICS, "-o", "json"))
    cluster.kubectl("delete", "apiservice", METRICS)
    try:
        until(warns, "the API server has forgotten the metrics", 30)
    finally:
        labels = service["metadata"].get("labels", {})
        wanted = {**service, "metadata": {"name": METRICS, "labels": labels}, "status": None}
        cluster.kubectl("apply", "-f", "-", stdin=json.dumps(wanted))
    until(lambda: not warns(), "the metrics are back", 60)


def test_an_admin_of_a_namespace_installs_without_cluster_wide_rights(cluster: Cluster, namespace: str) -> None:
    """The checks that read cluster-wide objects are refused with what they read; without them and without the
    objects that only a cluster's administrator makes, the release is installed.
    """
    cluster.kubectl("-n", namespace, "create", "rolebinding", "ada", "--clusterrole=admin", "--user=ada")
    with Config(kubeconfig_path=cluster.kubeconfig, namespace=namespace, kube_as_user="ada") as helm:
        with pytest.raises(HelmError, match='"kube-system" is forbidden'):
            helm.install(CHART, "btc", {})
        helm.install(CHART, "btc", values_of("ci/bare-values"), wait="watcher", timeout=120)
        helm.uninstall("btc", wait="watcher", timeout=120)
