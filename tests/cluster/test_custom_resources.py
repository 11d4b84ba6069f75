"""Every object that the chart and k8s/ can make is valid on a real API server, operators' kinds included.

The server validates and admits them (`--dry-run=server`); the operators themselves do not run here.
"""

import json
from collections.abc import Iterator

import pytest
import yaml

from tests.chart.objects import CHART, NAMESPACE, Object, render, sets, values_of
from tests.chart.test_lint import FOREIGN
from tests.cluster.custom_resources import definitions
from tests.cluster.objects import Cluster

K8S = CHART.parent / "k8s"
FOLDERS = ("elk", "plain", "mesh/istio", "mesh/linkerd")
ELASTIC = {"Elasticsearch", "Kibana", "Beat"}


@pytest.fixture(scope="module")
def server(cluster: Cluster) -> Iterator[Cluster]:
    """Return the cluster with the operators' kinds and the namespaces of the chart and of k8s/elk."""
    try:
        known = definitions()
    except FileNotFoundError as error:
        pytest.skip(str(error))
    wanted = [known[kind] for kind in sorted(FOREIGN | ELASTIC)]
    cluster.kubectl("apply", "--server-side", "-f", "-", stdin=_list(wanted))
    names = [f"crd/{one['metadata']['name']}" for one in wanted]
    cluster.kubectl("wait", "--for=condition=Established", "--timeout=60s", *names)
    with cluster.namespace(NAMESPACE):
        cluster.kubectl("apply", "-f", str(K8S / "elk" / "namespace.yaml"))
        yield cluster
        cluster.kubectl("delete", "-f", str(K8S / "elk" / "namespace.yaml"), "--wait=false")
    cluster.kubectl("delete", *names, "--wait=false")


def _list(objects: list[Object]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})


def _apply(server: Cluster, objects: list[Object]) -> str:
    return server.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", stdin=_list(objects))


@pytest.mark.parametrize("name", sets())
def test_every_object_of_every_set_of_values_is_admitted(server: Cluster, name: str) -> None:
    """Nothing is refused, and no field is unknown."""
    objects = render(values_of(name))
    assert len(_apply(server, objects).splitlines()) == len(objects)


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_folder_of_k8s_is_admitted(server: Cluster, folder: str) -> None:
    """As `kubectl apply -k` makes it."""
    assert server.kubectl("apply", "--dry-run=server", "--validate=strict", "-k", str(K8S / folder))


@pytest.mark.parametrize("kind", sorted(FOREIGN | ELASTIC))
def test_a_field_that_an_operator_does_not_know_is_refused(server: Cluster, kind: str) -> None:
    """So the kinds of the operators are really looked at, each of them."""
    every = [one for name in sets() for one in render(values_of(name))]
    every += [one for path in (K8S / "elk").glob("*.yaml") for one in yaml.safe_load_all(path.read_text())]
    one = next(one for one in every if one["kind"] == kind)
    one["spec"]["noSuchField"] = True
    with pytest.raises(RuntimeError, match="noSuchField"):
        _apply(server, [one])
