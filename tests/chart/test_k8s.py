"""The folder k8s/: rendered manifests without drift, comparison of charts, scripts, valid extras."""

import importlib.util
import os
import re
import shutil
import stat
import subprocess
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from kubernetes_validate import utils as validation  # type: ignore[import-untyped]

from tests.chart.objects import CHART, pods, values_of
from tests.chart.objects import render as rendered

K8S = CHART.parent / "k8s"
SCRIPTS = ("minikube-start", "minikube-deploy", "tunnels")
FLAGS = {"driver": "docker", "memory": "8192", "cpus": "6", "disk-size": "20g"}


def _script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"k8s_{name}", K8S / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def render() -> ModuleType:
    """Return k8s/render.py."""
    return _script("render")


@pytest.fixture(scope="module")
def comparison() -> ModuleType:
    """Return k8s/compare.py."""
    return _script("compare")


def test_two_equal_charts_compare_as_identical(comparison: ModuleType, tmp_path: Path) -> None:
    """Comments, whitespace and the order of keys are no difference."""
    copy = tmp_path / "helm"
    shutil.copytree(CHART, copy)
    path = copy / "templates" / "platform" / "settings.yaml"
    path.write_text(path.read_text().replace("kind: ConfigMap\n", "\n# a comment\n") + "\nkind:   ConfigMap\n")
    assert comparison.compare(copy, CHART) == {}


def test_a_changed_and_a_missing_object_are_printed_with_their_values_files(
    comparison: ModuleType, tmp_path: Path
) -> None:
    """One changed field and one removed object are two differences, each under the values files that show it."""
    copy = tmp_path / "helm"
    shutil.copytree(CHART, copy)
    path = copy / "templates" / "platform" / "settings.yaml"
    path.write_text(path.read_text().replace("kind: ConfigMap", "kind: ConfigMap\nimmutable: true"))
    (copy / "templates" / "mesh" / "istio.yaml").unlink()
    found = comparison.compare(copy, CHART)
    removed = {text: where for text, where in found.items() if "--- no object" in text}
    changed = {text: where for text, where in found.items() if text not in removed}
    titles = ["NetworkPolicy/btc-mesh", "PeerAuthentication/btc-strict"]
    assert sorted(text.splitlines()[1].removeprefix("+++ tree ") for text in removed) == titles
    assert set(map(tuple, removed.values())) == {("ci/istio-values.yaml",)}
    assert all("ConfigMap/btc-settings" in text and "-immutable: true" in text for text in changed)
    assert sorted(name for where in changed.values() for name in where) == comparison.values_files(CHART)


def test_the_manifests_are_what_the_chart_says(render: ModuleType) -> None:
    """`make k8s` would change nothing."""
    assert render.drift() == []


def test_drift_is_found_and_removed(render: ModuleType, tmp_path: Path) -> None:
    """A changed, a missing and an extra file are named; writing removes the drift."""
    render.write(tmp_path)
    (tmp_path / "web-app" / "deployment.yaml").write_text("changed")
    (tmp_path / "web-app" / "objects.yaml").unlink()
    (tmp_path / "stray.yaml").write_text("")
    assert render.drift(tmp_path) == ["stray.yaml", "web-app/deployment.yaml", "web-app/objects.yaml"]
    render.write(tmp_path)
    assert render.drift(tmp_path) == []


def test_nothing_in_the_manifests_needs_helm() -> None:
    """No hook annotation and no label of Helm is left."""
    for path in (K8S / "manifests").rglob("*.yaml"):
        text = path.read_text()
        assert "helm.sh/hook" not in text, path
        assert "managed-by: Helm" not in text, path


def test_every_extra_is_one_valid_object() -> None:
    """Each file outside the manifests holds one object; what Kubernetes has a schema for fits it."""
    checked = 0
    for folder in ("plain", "elk", "mesh"):
        for path in (K8S / folder).rglob("*.yaml"):
            one = yaml.safe_load(path.read_text())
            if path.name == "kustomization.yaml":
                assert all((path.parent / name).exists() for name in one["resources"]), path
            elif "k8s.elastic.co" not in one["apiVersion"] and "istio.io" not in one["apiVersion"]:
                validation.validate(one, "1.34", strict=True)
                checked += 1
    assert checked >= 8


def test_the_namespace_enforces_restricted_pods() -> None:
    """The namespace carries the labels of the restricted Pod Security Standard."""
    labels = yaml.safe_load((K8S / "plain" / "namespace.yaml").read_text())["metadata"]["labels"]
    for mode in ("enforce", "audit", "warn"):
        assert labels[f"pod-security.kubernetes.io/{mode}"] == "restricted"


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """Return a folder with a minikube, a helm and a kubectl that log their arguments; `helm template` renders."""
    folder = tmp_path / "bin"
    folder.mkdir()
    chart = tmp_path / "chart.yaml"
    chart.write_text(yaml.safe_dump_all(rendered(values_of("values-minikube"))))
    for name in ("minikube", "helm", "kubectl"):
        script = folder / name
        does = {
            "minikube": '[ "$1" = status ] && [ -z "${RUNNING:-}" ] && exit 1\n',
            "helm": f'[ "$1" = template ] && cat "{chart}"\n',
        }.get(name, "")
        script.write_text(f'#!/bin/sh\necho "{name} $*" >>"{tmp_path}/calls"\n{does}exit 0\n')
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return folder


def _call(script: str, tools: Path, **variables: str) -> list[str]:
    env = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}", **variables}
    subprocess.run([K8S / script], env=env, check=True, capture_output=True, text=True, timeout=30)
    return (tools.parent / "calls").read_text().splitlines()


def test_minikube_starts_with_its_fixed_size(tools: Path) -> None:
    """Driver docker, 8192 MB, 6 CPUs, disk 20g, v1.28.0 or newer, max-pods 50."""
    (start,) = [call for call in _call("minikube-start", tools) if call.startswith("minikube start")]
    for flag, value in FLAGS.items():
        assert f"--{flag} {value}" in start
    assert "--extra-config kubelet.max-pods=50" in start
    version = re.search(r"--kubernetes-version v(\d+)\.(\d+)\.", start)
    assert version
    assert (int(version[1]), int(version[2])) >= (1, 28)


def test_a_running_minikube_is_not_started_again(tools: Path) -> None:
    """A second call does not call `minikube start`."""
    assert not [call for call in _call("minikube-start", tools, RUNNING="1") if call.startswith("minikube start")]


def test_deploying_builds_the_image_makes_the_namespace_and_installs(tools: Path) -> None:
    """The order is image, namespace, chart with the minikube values."""
    calls = _call("minikube-deploy", tools, RUNNING="1")
    steps = ["minikube image build", "minikube kubectl", "helm upgrade btc helm --install"]
    positions = [next(i for i, call in enumerate(calls) if call.startswith(step)) for step in steps]
    assert positions == sorted(positions)
    assert "--values helm/values-minikube.yaml --wait" in calls[positions[-1]]


def test_deploying_brings_every_image_that_the_chart_runs(tools: Path) -> None:
    """Each image is built or loaded before the chart is installed; on a new minikube there is none."""
    calls = _call("minikube-deploy", tools, RUNNING="1")
    before = calls[: next(i for i, call in enumerate(calls) if call.startswith("helm upgrade"))]
    brought = {call.split()[-1] for call in before if call.startswith("minikube image load")}
    built = {call.split("--tag ")[1].split()[0] for call in before if call.startswith("minikube image build")}
    images = {pod["spec"]["containers"][0]["image"] for _, pod in pods(rendered(values_of("values-minikube")))}
    assert brought | built == images


@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_are_sound(script: str) -> None:
    """Each is executable, is POSIX shell, and stops at the first error."""
    path = K8S / script
    assert os.access(path, os.X_OK)
    assert "set -eu" in path.read_text()
    subprocess.run(["/bin/sh", "-n", path], check=True)
    if shutil.which("shellcheck"):
        subprocess.run(["shellcheck", path], check=True)
