"""Network policies: the allowed connections between pods, computed from the rendered policies."""

from typing import Any

import pytest

from tests.chart.objects import COMPONENT, COMPONENTS, Object, of_kind, one_of, pods, render, values_of

CLIENTS = ("data-collector", "bitcoin-forecast-app", "web-app", "dashboard", "kafka-ui", "trainer", "archive")
HTTP_PORTS = {"web-app": 5001, "dashboard": 8501, "kafka-ui": 8080}
TESTED = {**HTTP_PORTS, "data-collector": 9100, "bitcoin-forecast-app": 6066}
Flow = tuple[str, str, int]


def expected() -> set[Flow]:
    """Return every flow between pods of this release: from, to, port."""
    to_kafka = {(client, "kafka", 9092) for client in (*CLIENTS, "kafka", "topics")}
    quorum = {(node, "kafka-controller", 9093) for node in ("kafka", "kafka-controller")}
    tests = {("test", component, port) for component, port in TESTED.items()}
    return to_kafka | quorum | tests | {("test", component, 9100) for component in HTTP_PORTS}


def labels_by_component(objects: list[Object]) -> dict[str, dict[str, str]]:
    """Return the labels of one pod of each kind: components, the topics hook, a test."""
    found = {}
    for name, pod in pods(objects):
        labels = pod["metadata"]["labels"]
        kind = labels["app.kubernetes.io/name"].removeprefix("btc-forecast").removeprefix("-")
        found[kind or labels[COMPONENT]] = labels
        assert name
    return found


def selects(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    """Return whether a label selector matches these labels."""
    return selector.get("matchLabels", {}).items() <= labels.items() and all(
        labels.get(rule["key"]) in rule["values"] for rule in selector.get("matchExpressions", [])
    )


def allowed(objects: list[Object], direction: str, mine: dict[str, str], other: dict[str, str]) -> set[int]:
    """Return the ports on which policies allow `mine` and `other` to connect inside the namespace."""
    side = {"ingress": "from", "egress": "to"}[direction]
    found: set[int] = set()
    for policy in of_kind(objects, "NetworkPolicy"):
        if selects(policy["spec"]["podSelector"], mine):
            for rule in policy["spec"].get(direction, []):
                peers = [peer for peer in rule[side] if set(peer) == {"podSelector"}]
                if any(selects(peer["podSelector"], other) for peer in peers):
                    found |= {port["port"] for port in rule["ports"]}
    return found


def flows(objects: list[Object]) -> set[Flow]:
    """Return every flow that both sides' policies allow."""
    pod_labels = labels_by_component(objects)
    return {
        (source, target, port)
        for source, mine in pod_labels.items()
        for target, other in pod_labels.items()
        for port in allowed(objects, "egress", mine, other) & allowed(objects, "ingress", other, mine)
        if port in _listens(target)
    }


def _listens(target: str) -> set[int]:
    if target in ("kafka", "kafka-controller"):
        return {9092, 9093}
    return {HTTP_PORTS[target], 9100} if target in HTTP_PORTS else {6066 if target == "bitcoin-forecast-app" else 9100}


def test_everything_is_denied_first() -> None:
    """One policy takes every pod of the release, hooks and tests too, and allows nothing in either direction."""
    objects = render()
    (deny,) = [one for one in of_kind(objects, "NetworkPolicy") if one["metadata"]["name"] == "btc-default-deny"]
    assert deny["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert not {"ingress", "egress"} & set(deny["spec"])
    assert all(selects(deny["spec"]["podSelector"], labels) for labels in labels_by_component(objects).values())


def test_the_flows_are_exactly_the_expected_ones() -> None:
    """Between the pods of the release every expected connection is allowed, and no other."""
    assert flows(render()) == expected()


@pytest.mark.parametrize("direction", ["ingress", "egress"])
def test_neither_side_alone_allows_more(direction: str) -> None:
    """No policy allows one side of a flow that is not there; tests, whose ports are one list, aside."""
    objects = render()
    pod_labels = {name: labels for name, labels in labels_by_component(objects).items() if name != "test"}
    found = {
        (source, target, port) for source, labels in pod_labels.items() for target, other in pod_labels.items()
        for port in (allowed(objects, "egress", labels, other) if direction == "egress"
                     else allowed(objects, "ingress", other, labels))
    }  # fmt: skip
    assert found == {flow for flow in expected() if flow[0] != "test"}


def test_only_collector_and_trainer_leave_the_cluster() -> None:
    """They reach the exchange on 443 at public addresses; no other pod reaches anything outside."""
    objects = render()
    outside = {
        name: rule
        for name, labels in labels_by_component(objects).items()
        for policy in of_kind(objects, "NetworkPolicy")
        if selects(policy["spec"]["podSelector"], labels)
        for rule in policy["spec"].get("egress", [])
        if any("ipBlock" in peer for peer in rule["to"])
    }
    assert set(outside) == {"data-collector", "trainer"}
    for rule in outside.values():
        assert [port["port"] for port in rule["ports"]] == [443]
        assert {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"} <= set(
            rule["to"][0]["ipBlock"]["except"]
        )


def test_every_pod_resolves_names_and_only_there() -> None:
    """To the DNS pods of kube-system, on 53 and on 5353, where OpenShift's listen: a policy sees the pods' ports."""
    (dns,) = [one for one in of_kind(render(), "NetworkPolicy") if one["metadata"]["name"] == "btc-to-dns"]
    (rule,) = dns["spec"]["egress"]
    assert {(port["protocol"], port["port"]) for port in rule["ports"]} == {
        (protocol, port) for protocol in ("UDP", "TCP") for port in (53, 5353)
    }  # fmt: skip
    assert rule["to"][0]["podSelector"]["matchLabels"] == {"k8s-app": "kube-dns"}


@pytest.mark.parametrize("component", COMPONENTS.values())
def test_from_other_namespaces_come_only_visitors_and_prometheus(component: str) -> None:
    """The gateway reaches the HTTP ports, Prometheus the metrics; nothing reaches Kafka's own port."""
    objects = render()
    mine = labels_by_component(objects)[component]
    found = {
        (peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"], port["port"])
        for policy in of_kind(objects, "NetworkPolicy") if selects(policy["spec"]["podSelector"], mine)
        for rule in policy["spec"].get("ingress", []) for peer in rule["from"] if "namespaceSelector" in peer
        for port in rule["ports"]
    }  # fmt: skip
    visitors = {("gateway-system", HTTP_PORTS[component])} if component in HTTP_PORTS else set()
    scrapes = {("monitoring", 9100), ("monitoring", 6066)} if component in (*CLIENTS, "kafka") else set()
    assert found == visitors | scrapes


@pytest.mark.parametrize("kind", ["ClusterIP", "LoadBalancer", "NodePort"])
@pytest.mark.parametrize("component", HTTP_PORTS)
def test_a_service_that_is_open_to_the_outside_is_not_shut_by_our_policy(component: str, kind: str) -> None:
    """The addresses that may call a LoadBalancer or NodePort reach the HTTP port, and only there; else none does."""
    key = next(key for key, name in COMPONENTS.items() if name == component)
    objects = render({key: {"service": {"type": kind, "sourceRanges": ["198.51.100.0/24"]}}})
    found = {
        (pod, peer["ipBlock"]["cidr"], port["port"])
        for pod, labels in labels_by_component(objects).items() for policy in of_kind(objects, "NetworkPolicy")
        if selects(policy["spec"]["podSelector"], labels) for rule in policy["spec"].get("ingress", [])
        for peer in rule["from"] if "ipBlock" in peer for port in rule["ports"]
    }  # fmt: skip
    assert found == (set() if kind == "ClusterIP" else {(component, "198.51.100.0/24", HTTP_PORTS[component])})
    ranges = one_of(objects, "Service", component)["spec"].get("loadBalancerSourceRanges")
    assert ranges == (["198.51.100.0/24"] if kind == "LoadBalancer" else None)


def test_keda_reaches_the_brokers_from_where_it_runs() -> None:
    """Its namespace is a value: the operator is not always in `keda`."""
    objects = render({"keda": {"enabled": True, "namespace": "autoscaling"}})
    (policy,) = [one for one in of_kind(objects, "NetworkPolicy") if one["metadata"]["name"] == "btc-kafka"]
    peers = policy["spec"]["ingress"][0]["from"]
    assert {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "autoscaling"}}} in peers


@pytest.mark.parametrize("name", ["ci/external-kafka-values", "ci/strimzi-values"])
def test_brokers_of_your_own_are_reached_where_you_say(name: str) -> None:
    """Clients and the topics hook may go to the named namespace or addresses, on the named ports only."""
    objects = render(values_of(name))
    pod_labels = labels_by_component(objects)
    for client in (*CLIENTS, "topics"):
        ports = {
            port["port"]
            for policy in of_kind(objects, "NetworkPolicy")
            if policy["metadata"]["name"].endswith("-to-kafka")
            and selects(policy["spec"]["podSelector"], pod_labels[client])
            for rule in policy["spec"]["egress"] for port in rule["ports"]
        }  # fmt: skip
        assert ports == {9094 if "external" in name else 9093}
