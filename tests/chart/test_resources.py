"""Resources: requests, quality of service, priorities, the quota, and the size of a minikube."""

import pytest

from tests.chart.objects import (
    COMPONENTS,
    Object,
    amount,
    container,
    environment,
    of_kind,
    one_of,
    pods,
    render,
    values_of,
    workload,
)  # fmt: skip

GUARANTEED = ("data-collector", "bitcoin-forecast-app")
BURSTING = ("kafka", "kafka-controller")  # a limit of their request stopped them in half of their CPU periods
PRIORITIES = {
    "data-collector": "critical", "bitcoin-forecast-app": "critical", "kafka": "critical",
    "kafka-controller": "critical",
    "web-app": "serving", "dashboard": "standard", "kafka-ui": "standard", "archive": "standard", "trainer": "batch",
}  # fmt: skip
# Requests of Kubernetes itself on a minikube of one node with the metrics server: cores, MiB.
SYSTEM = {
    "kube-apiserver": (0.250, 0), "kube-controller-manager": (0.200, 0), "kube-scheduler": (0.100, 0),
    "etcd": (0.100, 100), "coredns": (0.100, 70), "kube-proxy": (0, 0), "calico-node": (0.250, 0),
    "storage-provisioner": (0, 0), "metrics-server": (0.100, 200),
}  # fmt: skip
PROCESS_BYTES = 150 * 2**20  # measured without a board: API 83 MiB, dashboard 104 MiB
MINIKUBE = (6.0, 8 * 2**30)
SETS = [(), ("values-minikube",), ("values-production",), ("values-production", "values-gpu")]


@pytest.mark.parametrize("names", SETS)
@pytest.mark.parametrize(
    ("component", "cpu", "memory"),
    [
        ("data-collector", "300m", "512Mi"),
        ("bitcoin-forecast-app", "1500m", "2Gi"),
        ("web-app", "400m", "512Mi"),
        ("dashboard", "500m", "512Mi"),
        ("kafka", "800m", "1Gi"),
        ("kafka-controller", "200m", "512Mi"),
        ("kafka-ui", "300m", "512Mi"),
    ],
)
def test_every_component_has_its_fixed_requests(names: tuple[str, ...], component: str, cpu: str, memory: str) -> None:
    """Each component requests exactly this CPU and memory, in every ready-made set."""
    requests = container(workload(render(values_of(*names)), component))["resources"]["requests"]
    assert (requests["cpu"], requests["memory"]) == (cpu, memory)


@pytest.mark.parametrize("names", SETS)
@pytest.mark.parametrize("component", GUARANTEED)
def test_where_time_is_critical_pods_are_guaranteed(names: tuple[str, ...], component: str) -> None:
    """Requests and limits of every container are equal, so that Kubernetes gives the pod the class Guaranteed."""
    for one in workload(render(values_of(*names)), component)["spec"]["template"]["spec"]["containers"]:
        assert one["resources"]["requests"] == one["resources"]["limits"]


@pytest.mark.parametrize("names", SETS)
@pytest.mark.parametrize("component", BURSTING)
def test_kafka_has_its_memory_and_cpu_to_burst(names: tuple[str, ...], component: str) -> None:
    """All memory is reserved, so that no eviction begins with Kafka; the CPU may rise far above what is reserved."""
    resources = container(workload(render(values_of(*names)), component))["resources"]
    assert resources["requests"]["memory"] == resources["limits"]["memory"]
    assert amount(resources["limits"]["cpu"]) >= 2.5 * amount(resources["requests"]["cpu"])


@pytest.mark.parametrize(("component", "name"), PRIORITIES.items())
def test_pods_have_the_priority_of_their_kind(component: str, name: str) -> None:
    """The feed, Kafka and the worker come first, the trainer last."""
    objects = render()
    classes = {one["metadata"]["name"]: one for one in of_kind(objects, "PriorityClass")}
    chosen = workload(objects, component)["spec"]["template"]["spec"]["priorityClassName"]
    assert chosen == f"btc-btc-{name}"
    assert chosen in classes


def test_priorities_are_in_order_and_the_trainer_preempts_nothing() -> None:
    """In order: critical > serving > standard > batch; batch never preempts."""
    classes = {one["metadata"]["name"].split("-")[-1]: one for one in of_kind(render(), "PriorityClass")}
    values = [classes[name]["value"] for name in ("critical", "serving", "standard", "batch")]
    assert values == sorted(values, reverse=True)
    assert len(set(values)) == 4
    assert classes["batch"]["preemptionPolicy"] == "Never"


@pytest.mark.parametrize("mesh", ["none", "istio"])
@pytest.mark.parametrize("names", [(), ("values-production",), ("values-production", "values-gpu")])
def test_the_quota_holds_every_replica_every_surge_and_every_hook(names: tuple[str, ...], mesh: str) -> None:
    """At the HPAs' maximum, with a rolling update of everything, all hooks and every proxy, nothing is refused."""
    objects = render({**values_of(*names), "mesh": {"provider": mesh}})
    assert _excess(objects, most=True) == {}


def test_the_minikube_quota_holds_an_update_of_everything_at_once() -> None:
    """All Deployments surge at once while the worker's pod restarts, and none takes its place in the small quota."""
    objects = render(values_of("values-minikube"))
    assert _excess(objects, most=False) == {}


def test_on_minikube_an_update_fails_no_request() -> None:
    """The API, which has users, is the one that starts its new pod before the old one stops."""
    objects = render(values_of("values-minikube"))
    strategies = {one: workload(objects, one)["spec"]["strategy"] for one in ("web-app", "data-collector", "dashboard")}
    assert strategies["web-app"] == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    assert strategies["data-collector"] == strategies["dashboard"] == {"type": "Recreate"}


def _excess(objects: list[Object], *, most: bool) -> dict[str, float]:
    """Return what exceeds the quota with all Deployments surging at once, beside the hook and the largest test pod."""
    hard = of_kind(objects, "ResourceQuota")[0]["spec"]["hard"]
    used: dict[str, float] = {}
    tests = [_need(one) for one in of_kind(objects, "Pod")]
    passing = [_need(one["spec"]["template"]) for one in of_kind(objects, "Job")]
    for one in of_kind(objects, "Deployment", "StatefulSet"):
        count = _replicas(objects, one, most=most)
        _add(used, _need(one["spec"]["template"]), count)
        _add(used, {"persistentvolumeclaims": len(one["spec"].get("volumeClaimTemplates", []))}, count)
        if one["spec"].get("strategy", {}).get("type") == "RollingUpdate":
            passing.append(_need(one["spec"]["template"]))
    for name in ("requests.cpu", "requests.memory", "limits.cpu", "limits.memory", "pods"):
        _add(used, {name: sum(need[name] for need in passing) + max(need[name] for need in tests)}, 1)
    return {key: used[key] - amount(hard[key]) for key in hard.keys() & used.keys() if used[key] > amount(hard[key])}


def _need(pod: Object) -> dict[str, float]:
    notes = pod["metadata"].get("annotations", {})
    proxy = {"cpu": notes.get("sidecar.istio.io/proxyCPU", 0), "memory": notes.get("sidecar.istio.io/proxyMemory", 0)}
    return {"pods": 1.0} | {
        f"{side}.{name}": sum(amount(one["resources"][side][name]) for one in pod["spec"]["containers"])
        + amount(proxy[name])
        for side in ("requests", "limits") for name in ("cpu", "memory")
    }  # fmt: skip


def _add(used: dict[str, float], need: dict[str, float], times: float) -> None:
    for key, value in need.items():
        used[key] = used.get(key, 0.0) + times * value


def _replicas(objects: list[Object], one: Object, *, most: bool) -> int:
    for scaler in of_kind(objects, "HorizontalPodAutoscaler"):
        if scaler["spec"]["scaleTargetRef"]["name"] == one["metadata"]["name"]:
            return int(scaler["spec"]["maxReplicas" if most else "minReplicas"])
    return int(one["spec"]["replicas"])


def test_a_minikube_of_6_cpus_and_8_gib_holds_it_with_kubernetes_and_an_update() -> None:
    """Requests of all pods, of Kubernetes itself, of all surges at once and of the hook fit into 6 CPUs and 8 GiB."""
    objects = render(values_of("values-minikube"))
    cpu = sum(cores for cores, _ in SYSTEM.values())
    memory = sum(mib for _, mib in SYSTEM.values()) * 2.0**20
    for one in of_kind(objects, "Deployment", "StatefulSet", "Job"):
        need = _need(one["spec"]["template"])
        surge = one["spec"].get("strategy", {}).get("rollingUpdate", {}).get("maxSurge", 0)
        count = surge + (1 if one["kind"] == "Job" else _replicas(objects, one, most=False))
        cpu += count * need["requests.cpu"]
        memory += count * need["requests.memory"]
    assert cpu <= MINIKUBE[0]
    assert memory <= MINIKUBE[1]


def test_a_minikube_of_50_pods_and_20_gigabytes_holds_it() -> None:
    """At every HPA's maximum there are fewer than 50 pods with those of Kubernetes; the volumes fit the disk."""
    objects = render(values_of("values-minikube"))
    workloads = of_kind(objects, "Deployment", "StatefulSet")
    count = sum(_replicas(objects, one, most=True) + 1 for one in workloads) + len(SYSTEM)
    claimed = sum(
        _replicas(objects, one, most=False) * amount(claim["spec"]["resources"]["requests"]["storage"])
        for one in workloads for claim in one["spec"].get("volumeClaimTemplates", [])
    )  # fmt: skip
    assert count <= 50
    assert claimed <= 0.6 * 20e9  # the rest is for images


@pytest.mark.parametrize("component", ["web-app", "dashboard"])
def test_a_full_board_makes_no_hpa_add_readers(component: str) -> None:
    """A reader's memory does not shrink with more readers, so board and process stay below the HPA's target."""
    objects = render()
    target = next(
        one["resource"]["target"]["averageUtilization"]
        for one in one_of(objects, "HorizontalPodAutoscaler", component)["spec"]["metrics"]
        if one["resource"]["name"] == "memory"
    )
    request = amount(container(workload(objects, component))["resources"]["requests"]["memory"])
    board = float(environment(objects)["BTC_BOARD_MAX_BYTES"])
    assert board + PROCESS_BYTES <= request * target / 100


def test_every_container_fits_the_limit_range() -> None:
    """No container is smaller or larger than the LimitRange allows, in every ready-made set."""
    for names in SETS:
        objects = render(values_of(*names))
        (bounds,) = of_kind(objects, "LimitRange")[0]["spec"]["limits"]
        for name, pod in pods(objects):
            for one in pod["spec"]["containers"]:
                for unit in ("cpu", "memory"):
                    assert amount(one["resources"]["requests"][unit]) >= amount(bounds["min"][unit]), name
                    assert amount(one["resources"]["limits"][unit]) <= amount(bounds["max"][unit]), name


def test_the_gpu_worker_asks_for_a_gpu_and_its_image() -> None:
    """values-gpu gives the worker, and no other component, one GPU, the GPU image and its runtime."""
    objects = render(values_of("values-gpu"))
    for component in COMPONENTS.values():
        gpus = container(workload(objects, component))["resources"]["limits"].get("nvidia.com/gpu", 0)
        assert gpus == (1 if component == "bitcoin-forecast-app" else 0)
    worker = workload(objects, "bitcoin-forecast-app")
    assert container(worker)["image"].endswith("-gpu")
    assert worker["spec"]["template"]["spec"]["runtimeClassName"] == "nvidia"


def test_the_gpu_worker_has_the_digest_of_the_gpu_image() -> None:
    """A digest names one image: that of the CPU image would give the GPU worker the CPU image."""
    cpu, gpu = f"sha256:{64 * 'c'}", f"sha256:{64 * 'e'}"
    gpu_values = {"bitcoinForecastApp": {"gpu": {"enabled": True, "imageDigest": gpu}}}
    objects = render({"image": {"digest": cpu}, **gpu_values})
    assert container(workload(objects, "bitcoin-forecast-app"))["image"] == f"btc-forecast@{gpu}"
    assert container(workload(objects, "web-app"))["image"] == f"btc-forecast@{cpu}"
