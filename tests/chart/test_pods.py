"""Every pod: labels, probes, restricted security, no token, no secret, draining, spreading."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from helm_python import Chart

from app.kafka_monitor import before_stop
from app.service import limits
from tests.chart.objects import (
    CHART,
    COMPONENT,
    COMPONENTS,
    Object,
    container,
    environment,
    monitor_of_kafka,
    of_kind,
    one_of,
    parse,
    pods,
    render,
    sets,
    values_of,
    workload,
)  # fmt: skip

PROBES = {  # (startup, readiness, liveness)
    "data-collector": ("/healthz@metrics", "/readyz@metrics", "/healthz@metrics"),
    "bitcoin-forecast-app": ("/healthz@metrics", "/readyz@metrics", "/healthz@metrics"),
    "web-app": ("/healthz@http", "/readyz@http", "/healthz@http"),
    "dashboard": ("/healthz@http", "/readyz@metrics", "/healthz@http"),
    "kafka-ui": ("/healthz@http", "/readyz@http", "/healthz@http"),
    "trainer": ("/healthz@metrics", "/readyz@metrics", "/healthz@metrics"),
    "archive": ("/healthz@metrics", "/readyz@metrics", "/healthz@metrics"),
    "kafka": ("tcp-kafka", "tcp-kafka", "tcp-kafka"),
    "kafka-controller": ("tcp-quorum", "tcp-quorum", "tcp-quorum"),
}
COMMANDS = {
    "data-collector": "collect", "bitcoin-forecast-app": "worker", "web-app": "api", "dashboard": "dashboard",
    "kafka-ui": "kafka-ui", "trainer": "train", "archive": "archive",
}  # fmt: skip
OWN_LABELS = {*COMPONENTS.values(), "platform"}


@pytest.mark.parametrize("name", sets())
def test_every_object_and_pod_has_a_component_label(name: str) -> None:
    """Each object and pod carries the component label with one of the nine names, or `platform`."""
    objects = render(values_of(name))
    assert {one["metadata"]["labels"][COMPONENT] for one in objects} <= OWN_LABELS
    assert {pod["metadata"]["labels"][COMPONENT] for _, pod in pods(objects)} <= set(COMPONENTS.values())


def test_all_nine_components_are_there() -> None:
    """`helm install btc ./helm` brings up everything, each with its own ServiceAccount, Service and PDB."""
    objects = render()
    for component in COMPONENTS.values():
        assert workload(objects, component)["metadata"]["name"] == f"btc-{component}"
        assert one_of(objects, "Service", component)


@pytest.mark.parametrize("name", sets())
def test_every_pod_is_restricted(name: str) -> None:
    """Each pod meets the restricted Pod Security Standard, has a read-only root and a folder for scratch."""
    for where, pod in pods(render(values_of(name))):
        _assert_restricted(where, pod["spec"])


def _assert_restricted(where: str, spec: Object) -> None:
    security = spec["securityContext"]
    assert security["runAsNonRoot"] is True, where
    assert security["runAsUser"] > 0, where
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}, where
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec), where
    assert {next(iter(set(volume) - {"name"})) for volume in spec.get("volumes", [])} <= {
        "emptyDir", "configMap", "secret", "persistentVolumeClaim",
    }, where  # fmt: skip
    for one in spec["containers"]:
        inner = one["securityContext"]
        assert inner == {
            "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
        }, where  # fmt: skip
        if "helm.sh/hook" not in where and not where.endswith("-test"):
            assert "/tmp" in {mount["mountPath"] for mount in one["volumeMounts"]}, where


@pytest.mark.parametrize("name", sets())
def test_no_pod_has_a_token(name: str) -> None:
    """No pod calls the Kubernetes API, so none gets a token, and no role is bound to a pod's ServiceAccount."""
    objects = render(values_of(name))
    assert all(pod["spec"]["automountServiceAccountToken"] is False for _, pod in pods(objects))
    assert all(one["automountServiceAccountToken"] is False for one in of_kind(objects, "ServiceAccount"))
    accounts = {one["metadata"]["name"] for one in of_kind(objects, "ServiceAccount")} | {"default"}
    assert of_kind(objects, "ClusterRole", "ClusterRoleBinding") == []
    bound = {one["name"] for binding in of_kind(objects, "RoleBinding") for one in binding["subjects"]}
    assert not accounts & bound


def test_every_workload_has_its_own_service_account() -> None:
    """No component runs as another one, or as default."""
    objects = render()
    names = {one["metadata"]["name"] for one in of_kind(objects, "ServiceAccount")}
    for component in COMPONENTS.values():
        assert workload(objects, component)["spec"]["template"]["spec"]["serviceAccountName"] == f"btc-{component}"
    assert names == {f"btc-{component}" for component in COMPONENTS.values()} | {"btc-topics"}


@pytest.mark.parametrize("name", sets())
def test_there_is_no_secret_in_the_chart(name: str) -> None:
    """Passwords and keys come from Secrets outside the chart; none is rendered, none is plain text."""
    objects = render(values_of(name))
    assert of_kind(objects, "Secret") == []
    settings = environment(objects)
    assert not {"BTC_KAFKA_PASSWORD", "BTC_KAFKA_USERNAME", "BTC_API_KEYS"} & set(settings)
    for _, pod in pods(objects):
        for variable in (one for each in pod["spec"]["containers"] for one in each.get("env", [])):
            if re.search(r"PASSWORD|API_KEYS|USERNAME", variable["name"]):
                assert "secretKeyRef" in variable["valueFrom"]


@pytest.mark.parametrize(("component", "expected"), PROBES.items())
def test_probes_follow_real_progress(component: str, expected: tuple[str, str, str]) -> None:
    """Each component has the three probes, on the page that knows about its progress, on a port it has."""
    one = container(workload(render(), component))
    ports = {port["name"] for port in one["ports"]}
    found = tuple(_probe(one[kind]) for kind in ("startupProbe", "readinessProbe", "livenessProbe"))
    assert found == expected
    assert {probe.rpartition("@")[2] for probe in found} <= ports


def _probe(probe: dict[str, Any]) -> str:
    if "tcpSocket" in probe:
        return str(probe["tcpSocket"]["port"])
    return f"{probe['httpGet']['path']}@{probe['httpGet']['port']}"


@pytest.mark.parametrize("component", COMMANDS)
def test_no_probe_ends_a_pod_that_waits_for_kafka(component: str) -> None:
    """Startup and liveness ask whether a restart would help, which it does not while Kafka is away."""
    one = container(workload(render(), component))
    assert {one[kind]["httpGet"]["path"] for kind in ("startupProbe", "livenessProbe")} == {"/healthz"}


@pytest.mark.parametrize("component", COMMANDS)
def test_a_stalled_process_is_restarted_within_two_minutes(component: str) -> None:
    """The longest silence that health allows, and the probes after it, take 120 s at most."""
    probe = container(workload(render(), component))["livenessProbe"]
    silent_s = 3 * limits.STUCK_S
    assert silent_s + probe["periodSeconds"] * probe["failureThreshold"] <= 120


@pytest.mark.parametrize(("component", "command"), COMMANDS.items())
def test_every_process_is_a_btc_command_that_exists(component: str, command: str) -> None:
    """Each container of the project's image runs one command of the command line."""
    from app.cli import cli

    known = {one.name or getattr(one.callback, "__name__", "") for one in cli.registered_commands}
    one = container(workload(render(), component))
    assert one["command"] == ["btc", command]
    assert command in known
    assert one["image"] == "btc-forecast:0.1.0"


def test_a_broker_is_ready_when_its_monitor_says_so_and_asks_it_before_it_stops() -> None:
    """Both containers count for the pod; the monitor connects to this broker by the name it advertises."""
    objects = render()
    kafka, monitor = container(workload(objects, "kafka")), monitor_of_kafka(objects)
    assert monitor["command"] == ["btc", "kafka-monitor"]
    assert tuple(_probe(monitor[kind]) for kind in ("startupProbe", "readinessProbe", "livenessProbe")) == (
        "/healthz@metrics", "/readyz@metrics", "/healthz@metrics",
    )  # fmt: skip
    own = {one["name"]: one.get("value") for one in monitor["env"]}
    assert own["BTC_KAFKA_URL"] == "$(BTC_INSTANCE).btc-kafka.btc.svc.cluster.local:9092"
    (metrics,) = [port["containerPort"] for port in monitor["ports"]]
    assert kafka["lifecycle"]["preStop"]["httpGet"] == {"path": "/before-stop", "port": metrics}


def test_a_broker_has_time_to_wait_and_then_to_stop() -> None:
    """The grace period holds the longest wait of before-stop, and two minutes for the broker itself."""
    spec = workload(render(), "kafka")["spec"]["template"]["spec"]
    assert spec["terminationGracePeriodSeconds"] >= before_stop.LONGEST_S + 120


def test_the_monitor_logs_in_as_every_client_does() -> None:
    """With the credentials and the certificates of the values; the certificates' volumes are the pod's."""
    objects = render(values_of("values-production"))
    client, monitor = container(workload(objects, "web-app")), monitor_of_kafka(objects)
    assert monitor["envFrom"] == client["envFrom"]
    assert [one for one in client["env"] if "KAFKA" in one["name"]] == [
        one for one in monitor["env"] if "KAFKA" in one["name"] and one["name"] != "BTC_KAFKA_URL"
    ]
    spec = workload(objects, "kafka")["spec"]["template"]["spec"]
    assert {"kafka-ca", "monitor-tmp"} == {one["name"] for one in monitor["volumeMounts"]}
    assert {"kafka-ca", "monitor-tmp"} <= {one["name"] for one in spec["volumes"]}


@pytest.mark.parametrize(
    ("values", "components"),
    [
        ({"image": {"pullPolicy": "Never"}}, {*COMMANDS}),
        ({"kafka": {"image": {"pullPolicy": "Never"}}}, {"kafka", "kafka-controller"}),
        ({"kafkaUi": {"flavour": "kafbat", "image": {"pullPolicy": "Never"}}}, {"kafka-ui"}),
    ],
)
def test_every_image_has_its_own_pull_policy(values: dict[str, Any], components: set[str]) -> None:
    """Our image may be one that no registry has; Kafka's and kafbat's still come from theirs."""
    objects = render(values)
    never = {one for one in COMPONENTS.values() if container(workload(objects, one))["imagePullPolicy"] == "Never"}
    assert never == components


@pytest.mark.parametrize("component", ["web-app", "dashboard", "kafka-ui"])
def test_http_servers_drain_before_sigterm(component: str) -> None:
    """SIGTERM comes after the pod left the endpoints; the grace period covers the wait and the shutdown."""
    one = workload(render(), component)
    wait = container(one)["lifecycle"]["preStop"]["exec"]["command"]
    assert wait == ["sleep", "5"]
    assert one["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] >= 5 + 15


def test_a_changed_setting_restarts_what_reads_it_and_not_kafka() -> None:
    """Pods carry a checksum of the settings; brokers do not read them."""
    before, after = render(), render({"settings": {"grace_ms": 60}})
    for component in COMPONENTS.values():
        same = _annotations(before, component) == _annotations(after, component)
        assert same == component.startswith(("kafka", "kafka-controller")) or component == "kafka-ui"


@pytest.mark.parametrize(
    ("values", "restarted"),
    [
        ({"kafka": {"properties": {"log.retention.bytes": 1}}}, {"kafka"}),
        ({"kafka": {"replicas": 2}, "settings": {"min_insync_replicas": 2}}, {"kafka"}),
        ({"kafkaController": {"replicas": 3}}, {"kafka", "kafka-controller"}),
    ],
)
def test_a_change_for_brokers_restarts_brokers_only(values: dict[str, Any], restarted: set[str]) -> None:
    """Brokers and controllers each have a checksum of what they read, so both are not rolled for what concerns one."""
    before, after = render(), render(values)
    nodes = ("kafka", "kafka-controller")
    assert {one for one in nodes if _annotations(before, one) != _annotations(after, one)} == restarted


def _annotations(objects: list[Object], component: str) -> Any:
    return workload(objects, component)["spec"]["template"]["metadata"]["annotations"]


def test_replicas_are_spread_over_nodes_and_zones() -> None:
    """Each workload prefers other nodes and zones for its replicas; production insists on other nodes."""
    for values, rule in (({}, "ScheduleAnyway"), (values_of("values-production"), "DoNotSchedule")):
        objects = render(values)
        for component in COMPONENTS.values():
            spread = workload(objects, component)["spec"]["template"]["spec"]["topologySpreadConstraints"]
            rules = {one["topologyKey"]: one["whenUnsatisfiable"] for one in spread}
            assert rules == {"kubernetes.io/hostname": rule, "topology.kubernetes.io/zone": "ScheduleAnyway"}


def test_a_node_that_cannot_take_a_pod_is_not_counted_as_empty() -> None:
    """Else three replicas on three workers beside a tainted control plane stay pending."""
    objects = render(values_of("values-production", "values-gpu"))
    for component in COMPONENTS.values():
        for one in workload(objects, component)["spec"]["template"]["spec"]["topologySpreadConstraints"]:
            assert (one["nodeTaintsPolicy"], one["nodeAffinityPolicy"]) == ("Honor", "Honor"), component


@pytest.mark.parametrize(
    ("field", "monitor", "restarted"),
    [
        ("version", "", set()),
        ("appVersion", "", {*COMMANDS, "kafka"}),
        ("appVersion", "btc-forecast:0.1.0", {*COMMANDS}),
    ],
)
def test_a_new_version_of_the_chart_restarts_nothing_it_does_not_change(
    tmp_path: Path, field: str, monitor: str, restarted: set[str]
) -> None:
    """A new chart keeps every pod; a new version of the application replaces its pods, also the monitors of brokers
    unless their image is named; the controllers stay.
    """
    values = {"kafka": {"monitor": {"image": monitor}}}
    shutil.copytree(CHART, tmp_path / "helm")
    about = tmp_path / "helm" / "Chart.yaml"
    about.write_text(re.sub(rf"^{field}: .*$", f"{field}: 9.9.9", about.read_text(), flags=re.MULTILINE))
    with Chart.load(tmp_path / "helm") as chart:
        rendered = chart.render(values, name="btc", namespace="btc")
    after = [one for path, text in rendered.items() if path.endswith(".yaml") for one in parse(path, text)]
    before = render(values)
    changed = {
        one for one in COMPONENTS.values()
        if workload(before, one)["spec"]["template"] != workload(after, one)["spec"]["template"]
    }  # fmt: skip
    assert changed == restarted


def test_numbers_have_no_exponent() -> None:
    """Large numbers do not become 1.34e+08, and every variable is one the settings read."""
    from app.settings import Settings

    settings = environment(render())
    assert settings["BTC_BOARD_MAX_BYTES"] == "134217728"
    assert settings["BTC_LOG_FORMAT"] == "ecs"
    assert {name.removeprefix("BTC_").lower() for name in settings} <= set(Settings.model_fields)


def test_the_rendered_settings_are_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The ConfigMap of each set of values makes valid Settings."""
    from app.settings import Settings

    for name in sets():
        with monkeypatch.context() as patch:
            for variable, value in environment(render(values_of(name))).items():
                patch.setenv(variable, value)
            assert Settings().host == "0.0.0.0"


def test_the_topics_hook_runs_after_install_and_upgrade_and_is_no_pod_of_kafka() -> None:
    """It is a hook, has a deadline, and no Service, PDB or HPA selects it."""
    objects = render()
    (job,) = of_kind(objects, "Job")
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "post-install,post-upgrade"
    assert job["spec"]["template"]["spec"]["containers"][0]["command"] == ["btc", "topics"]
    assert job["spec"]["activeDeadlineSeconds"] <= 600
    _assert_unselected(objects, job["spec"]["template"]["metadata"]["labels"])


def test_helm_test_checks_the_urls_and_no_object_selects_it() -> None:
    """Each HTTP service has a test pod; no Service, PDB or workload selects its labels."""
    objects = render()
    tests = {one["metadata"]["labels"][COMPONENT]: one for one in of_kind(objects, "Pod")}
    assert {"web-app", "dashboard", "kafka-ui"} <= set(tests)
    for one in tests.values():
        assert one["metadata"]["annotations"]["helm.sh/hook"] == "test"
        assert all(url.startswith("http://btc-") for url in one["spec"]["containers"][0]["args"][1:])
        _assert_unselected(objects, one["metadata"]["labels"])


def _assert_unselected(objects: list[Object], labels: dict[str, str]) -> None:
    for one in of_kind(objects, "Service"):
        assert not one["spec"]["selector"].items() <= labels.items()
    for one in of_kind(objects, "PodDisruptionBudget", "Deployment", "StatefulSet"):
        assert not one["spec"]["selector"]["matchLabels"].items() <= labels.items()


def test_services_reach_the_ports_of_their_pods() -> None:
    """Each Service selects its component's pods and names a port of theirs; the HTTP services have the fixed ports."""
    objects = render()
    for component in COMPONENTS.values():
        service, target = one_of(objects, "Service", component)["spec"], workload(objects, component)
        assert service["selector"].items() <= target["spec"]["template"]["metadata"]["labels"].items()
        ports = {port["name"]: port["containerPort"]
                 for one in target["spec"]["template"]["spec"]["containers"] for port in one["ports"]}  # fmt: skip
        assert {port["targetPort"]: port["port"] for port in service["ports"]}.items() <= ports.items()
    ports_by_component = {"web-app": 5001, "dashboard": 8501, "kafka-ui": 8080}
    for component, number in ports_by_component.items():
        assert number in {port["port"] for port in one_of(objects, "Service", component)["spec"]["ports"]}


@pytest.mark.parametrize(("provider", "strict"), [("istio", "PeerAuthentication"), ("linkerd", None)])
def test_a_mesh_is_strict_and_keeps_pods_guaranteed(provider: str, strict: str | None) -> None:
    """With either mesh every pod joins, mutual TLS is strict, and the proxy's requests are its limits."""
    objects = render({"mesh": {"provider": provider}})
    if strict:
        assert of_kind(objects, strict)[0]["spec"]["mtls"] == {"mode": "STRICT"}
    for _, pod in pods(objects):
        notes, labels = pod["metadata"]["annotations"], pod["metadata"]["labels"]
        if provider == "istio":
            assert labels["sidecar.istio.io/inject"] == "true"
            assert notes["sidecar.istio.io/proxyCPU"] == notes["sidecar.istio.io/proxyCPULimit"]
        else:
            assert notes["linkerd.io/inject"] == "enabled"
            assert notes["config.linkerd.io/default-inbound-policy"] == "all-authenticated"
            assert notes["config.linkerd.io/proxy-memory-request"] == notes["config.linkerd.io/proxy-memory-limit"]
