"""Scaling: HPAs, KEDA, VPAs, disruption budgets, update strategies, volumes."""

import pytest

from tests.chart.objects import COMPONENTS, Object, container, of_kind, one_of, render, values_of, workload

HPAS = {
    "data-collector": (1, 3, 70, 80),
    "bitcoin-forecast-app": (1, 3, 70, 80),
    "web-app": (1, 5, 60, 70),
    "dashboard": (1, 3, 50, 60),
}
KAFKA = ("kafka", "kafka-controller")
STATEFUL = ("data-collector", "bitcoin-forecast-app")


def _targets(metrics: list[Object]) -> dict[str, int]:
    return {one["resource"]["name"]: one["resource"]["target"]["averageUtilization"] for one in metrics}


@pytest.mark.parametrize("names", [(), ("values-minikube",)])
@pytest.mark.parametrize("component", HPAS)
def test_hpas_have_their_fixed_bounds_and_targets(names: tuple[str, ...], component: str) -> None:
    """Replicas and targets are exactly these, and the HPA names its workload."""
    objects = render(values_of(*names))
    spec = one_of(objects, "HorizontalPodAutoscaler", component)["spec"]
    found = _targets(spec["metrics"])
    assert (spec["minReplicas"], spec["maxReplicas"], found["cpu"], found["memory"]) == HPAS[component]
    target = workload(objects, component)
    assert spec["scaleTargetRef"] == {
        "apiVersion": "apps/v1", "kind": target["kind"], "name": target["metadata"]["name"],
    }  # fmt: skip


@pytest.mark.parametrize("component", HPAS)
def test_production_only_raises_the_minimum(component: str) -> None:
    """Production starts readers and collectors with a spare; maximum and targets stay the same."""
    spec = one_of(render(values_of("values-production")), "HorizontalPodAutoscaler", component)["spec"]
    least, most, cpu, memory = HPAS[component]
    assert least <= spec["minReplicas"] <= spec["maxReplicas"] == most
    assert _targets(spec["metrics"]) == {"cpu": cpu, "memory": memory}


@pytest.mark.parametrize("component", STATEFUL)
def test_consumers_scale_in_one_at_a_time_after_ten_minutes(component: str) -> None:
    """Scale-in of components that own partitions: after 600 s of low load, one pod in 600 s."""
    shrink = one_of(render(), "HorizontalPodAutoscaler", component)["spec"]["behavior"]["scaleDown"]
    assert shrink["stabilizationWindowSeconds"] >= 600
    assert shrink["policies"] == [{"type": "Pods", "value": 1, "periodSeconds": 600}]


@pytest.mark.parametrize("component", HPAS)
def test_no_hpa_wants_more_than_the_partitions(component: str) -> None:
    """More consumers than partitions are an error case for Faust."""
    objects = render()
    assert one_of(objects, "HorizontalPodAutoscaler", component)["spec"]["maxReplicas"] <= 8


@pytest.mark.parametrize("component", HPAS)
def test_an_hpa_owns_the_number_of_replicas(component: str) -> None:
    """Where an HPA scales, an upgrade does not set replicas back; without one, it does."""
    assert "replicas" not in workload(render(), component)["spec"]
    key = next(key for key, name in COMPONENTS.items() if name == component)
    fixed = render({key: {"hpa": {"enabled": False}, "replicas": 2}})
    assert workload(fixed, component)["spec"]["replicas"] == 2


@pytest.mark.parametrize("component", COMPONENTS.values())
def test_every_component_is_drained_one_pod_at_a_time(component: str) -> None:
    """Each has a PDB that takes one pod at a time and selects its pods.

    A pod that is not ready never blocks a drain, except Kafka's, which may be the one that others recover from.
    """
    objects = render()
    spec = one_of(objects, "PodDisruptionBudget", component)["spec"]
    labels = workload(objects, component)["spec"]["template"]["metadata"]["labels"]
    assert spec["maxUnavailable"] == 1
    assert spec["unhealthyPodEvictionPolicy"] == ("IfHealthyBudget" if component in KAFKA else "AlwaysAllow")
    assert spec["selector"]["matchLabels"].items() <= labels.items()


@pytest.mark.parametrize("component", ["data-collector", "web-app", "dashboard", "kafka-ui"])
def test_rolling_updates_start_the_new_before_they_stop_the_old(component: str) -> None:
    """No pod is unavailable during an update of components that may run twice."""
    strategy = workload(render(), component)["spec"]["strategy"]
    assert strategy["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


@pytest.mark.parametrize("component", ["data-collector", "web-app", "dashboard", "kafka-ui"])
def test_recreate_ends_the_old_pod_before_it_makes_the_new_one(component: str) -> None:
    """So a quota never has to hold both."""
    key = next(key for key, name in COMPONENTS.items() if name == component)
    objects = render({key: {"updateStrategy": "Recreate"}})
    assert workload(objects, component)["spec"]["strategy"] == {"type": "Recreate"}


def test_only_one_trainer_decides_and_only_one_archive_writes() -> None:
    """The trainer is replaced, not rolled; the archive is a StatefulSet; both have one replica."""
    objects = render()
    trainer, archive = workload(objects, "trainer"), workload(objects, "archive")
    assert (trainer["spec"]["replicas"], trainer["spec"]["strategy"]) == (1, {"type": "Recreate"})
    assert (archive["kind"], archive["spec"]["replicas"]) == ("StatefulSet", 1)


def test_a_worker_has_its_own_volume_and_its_own_name() -> None:
    """The worker is a StatefulSet with a volume per pod, and its Kafka instance id is the pod's name."""
    worker = workload(render(), "bitcoin-forecast-app")
    assert worker["kind"] == "StatefulSet"
    assert [claim["metadata"]["name"] for claim in worker["spec"]["volumeClaimTemplates"]] == ["data"]
    instance = next(one for one in container(worker)["env"] if one["name"] == "BTC_INSTANCE")
    assert instance["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.name"
    assert worker["spec"]["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Retain"}


@pytest.mark.parametrize("component", ["bitcoin-forecast-app", "kafka", "kafka-controller", "archive"])
def test_what_keeps_data_keeps_its_claims(component: str) -> None:
    """A volume outlives its pod, a scale-in and an uninstall."""
    spec = workload(render(), component)["spec"]
    assert spec["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Retain"}


def test_keda_replaces_the_hpa_with_the_same_bounds() -> None:
    """KEDA scales on lag and on the HPA's targets, within its bounds and as slowly; there is no second scaler."""
    objects = render(values_of("ci/keda-values"))
    spec = one_of(objects, "ScaledObject", "bitcoin-forecast-app")["spec"]
    triggers = {one["type"]: one["metadata"] for one in spec["triggers"]}
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (1, 3)
    assert (triggers["cpu"]["value"], triggers["memory"]["value"]) == ("70", "80")
    assert (triggers["kafka"]["topic"], triggers["kafka"]["consumerGroup"]) == ("btc.ticks", "btc-forecast")
    shrink = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleDown"]
    assert shrink["stabilizationWindowSeconds"] >= 600
    assert shrink["policies"][0]["value"] == 1
    scaled = [one["spec"]["scaleTargetRef"]["name"] for one in of_kind(objects, "HorizontalPodAutoscaler")]
    assert "btc-bitcoin-forecast-app" not in scaled
    assert "replicas" not in workload(objects, "bitcoin-forecast-app")["spec"]


def test_a_vpa_never_acts_on_what_an_hpa_uses() -> None:
    """Components with an HPA get proposals only; the VPA never sizes a mesh's proxy; none exists by default."""
    assert of_kind(render(), "VerticalPodAutoscaler") == []
    objects = render(values_of("ci/vpa-values"))
    found = of_kind(objects, "VerticalPodAutoscaler")
    assert len(found) == len(COMPONENTS)
    for one in found:
        component = one["metadata"]["labels"]["app.kubernetes.io/component"]
        scaled = component in HPAS
        assert (one["spec"]["updatePolicy"]["updateMode"] == "Off") == scaled
        assert one["spec"]["resourcePolicy"]["containerPolicies"][1] == {"containerName": "*", "mode": "Off"}
        least = one["spec"]["resourcePolicy"]["containerPolicies"][0]["minAllowed"]
        assert least == container(workload(objects, component))["resources"]["requests"]
