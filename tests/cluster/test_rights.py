"""The viewer's and the operator's Role, exercised as people do: with kubectl against a real API server."""

from collections.abc import Iterator

import pytest

from tests.chart.objects import CHART
from tests.cluster.objects import Cluster

VALUES = {"rbac": {"viewers": [{"kind": "Group", "name": "viewers"}], "operators": [{"kind": "User", "name": "ada"}]}}
VIEWER, OPERATOR = ("--as=eve", "--as-group=viewers"), ("--as=ada",)
CHANGES = (
    ("rollout", "restart", "deployment/btc-web-app"),
    ("rollout", "restart", "statefulset/btc-bitcoin-forecast-app"),
    ("scale", "deployment/btc-kafka-ui", "--replicas=2"),
    ("delete", "pods", "-l", "app.kubernetes.io/component=trainer", "--wait=false"),
)


@pytest.fixture(scope="module")
def namespace(cluster: Cluster) -> Iterator[str]:
    """Return the namespace of a release with both Roles."""
    with cluster.namespace("rights") as name, cluster.helm(name) as helm:
        helm.install(CHART, "btc", VALUES, wait="watcher", timeout=180)
        yield name
        helm.uninstall("btc", wait="watcher", timeout=120)


@pytest.mark.parametrize("who", [VIEWER, OPERATOR], ids=["viewer", "operator"])
def test_both_read_everything_but_secrets(cluster: Cluster, namespace: str, who: tuple[str, ...]) -> None:
    """Workloads, pods, events, claims, policies, HPAs and use; no Secrets, nothing in other namespaces."""
    kinds = "all,configmaps,pvc,events,networkpolicies,hpa,pdb,resourcequotas,limitranges,serviceaccounts"
    assert "btc-web-app" in cluster.kubectl("-n", namespace, "get", kinds, "-o", "name", *who)
    for refused in (("-n", namespace, "get", "secrets"), ("-n", "default", "get", "pods"), ("get", "nodes")):
        with pytest.raises(RuntimeError, match="forbidden"):
            cluster.kubectl(*refused, *who)


@pytest.mark.parametrize("change", CHANGES, ids=" ".join)
def test_an_operator_changes_what_a_viewer_may_not(cluster: Cluster, namespace: str, change: tuple[str, ...]) -> None:
    """Restart, scale, delete a pod."""
    with pytest.raises(RuntimeError, match="forbidden"):
        cluster.kubectl("-n", namespace, *change, *VIEWER)
    cluster.kubectl("-n", namespace, *change, *OPERATOR)


@pytest.mark.parametrize(
    ("right", "allowed"),
    [
        (("create", "pods/portforward"), True),
        (("get", "pods/portforward"), True),
        (("create", "pods/eviction"), True),
        (("get", "pods/log"), True),
        (("create", "pods/exec"), False),
        (("get", "pods/exec"), False),
        (("patch", "deployments/another"), False),
        (("patch", "roles"), False),
        (("create", "pods"), False),
        (("delete", "persistentvolumeclaims"), False),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else str(value),
)
def test_an_operator_may_no_more_than_needed(
    cluster: Cluster, namespace: str, right: tuple[str, str], allowed: bool
) -> None:
    """Ports are forwarded and pods evicted; no command runs in a pod, and no other workload is changed."""
    verb, resource = right
    kind, _, name = resource.partition("/")
    what = (kind, f"--subresource={name}") if kind == "pods" and name else (resource,)
    if allowed:
        assert cluster.kubectl("-n", namespace, "auth", "can-i", verb, *what, *OPERATOR).strip() == "yes"
    else:
        with pytest.raises(RuntimeError):
            cluster.kubectl("-n", namespace, "auth", "can-i", verb, *what, *OPERATOR)
