"""Where images come from: the local tree, a released package, a mirror."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from helm_python import Chart, expand

from tests.chart.objects import CHART, laid_over, parse, pods, render, sets, values_of

K8S = CHART.parent / "k8s"
REPOSITORY = "registry.example:5000/team/btc-forecast"
CPU, GPU, KAFKA, KAFBAT = (f"sha256:{64 * letter}" for letter in "abcd")
MIRROR = "mirror.example/cache"


def _images(values: dict[str, object]) -> set[str]:
    return {one["image"] for _, pod in pods(render(values)) for one in pod["spec"]["containers"]}


def _run(script: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(K8S / script), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("name", sets())
def test_a_mirror_stands_before_every_image(name: str) -> None:
    """Own, Kafka's, kafbat's, hooks and tests: the registry is replaced, path and tag or digest stay."""
    before, after = (
        _images(laid_over(values_of(name), {"global": {"imageRegistry": registry}})) for registry in ("", MIRROR)
    )
    names = {re.sub(r"^[^/]*\.[^/]*/", "", image) for image in before}
    assert after == {f"{MIRROR}/{image}" for image in names}


@pytest.mark.parametrize(
    ("repository", "expected"),
    [
        ("btc-forecast", "btc-forecast"),
        ("team/btc-forecast", "team/btc-forecast"),
        ("registry.example/team/btc-forecast", "team/btc-forecast"),
        ("localhost/btc-forecast", "btc-forecast"),
        ("registry:5000/btc-forecast", "btc-forecast"),
    ],
)
def test_only_a_registry_is_replaced(repository: str, expected: str) -> None:
    """The first part of a name is a registry if it has a dot or a port, or is localhost."""
    found = _images({"image": {"repository": repository}, "global": {"imageRegistry": f"{MIRROR}/"}})
    assert f"{MIRROR}/{expected}:0.1.0" in found


def test_the_command_lists_every_image_of_the_values(tmp_path: Path) -> None:
    """One a line; with a mirror beside its name there; values files as Helm takes them."""
    values = tmp_path / "values.yaml"
    values.write_text(yaml.safe_dump({"image": {"tag": "9.9"}}))
    listed = _run("images.py", "-f", CHART / "values-gpu.yaml", "-f", values)
    assert set(listed.stdout.splitlines()) == {
        "btc-forecast:9.9", "btc-forecast:9.9-gpu", "docker.io/apache/kafka:4.3.0",
    }, listed.stderr  # fmt: skip
    pairs = _run("images.py", "--mirror", MIRROR).stdout.splitlines()
    assert f"docker.io/apache/kafka:4.3.0 {MIRROR}/apache/kafka:4.3.0" in pairs
    assert f"btc-forecast:0.1.0 {MIRROR}/btc-forecast:0.1.0" in pairs


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder that k8s/package.py wrote, as the release workflow calls it."""
    out = tmp_path_factory.mktemp("release") / "dist"
    done = _run("package.py", "--version", "9.8.7", "--repository", REPOSITORY, "--digest", CPU, "--gpu-digest", GPU,
                "--kafka-digest", KAFKA, "--kafka-ui-digest", KAFBAT, "--out", out)  # fmt: skip
    assert done.stdout == f"{out / 'btc-forecast-9.8.7.tgz'}\n", done.stderr
    return out


def _packaged(release: Path, values: dict[str, object]) -> set[str]:
    with Chart.load(release / "btc-forecast-9.8.7.tgz") as chart:
        rendered = chart.render(values, name="btc", namespace="btc")
    objects = [one for path, text in rendered.items() if path.endswith(".yaml") for one in parse(path, text)]
    return {one["image"] for _, pod in pods(objects) for one in pod["spec"]["containers"]}


def test_a_package_needs_no_values_to_find_its_images(release: Path) -> None:
    """Every image has registry and digest; the CPU's and the GPU's are apart."""
    own, kafka = f"{REPOSITORY}@{CPU}", f"docker.io/apache/kafka@{KAFKA}"
    assert _packaged(release, {}) == {own, kafka}
    assert _packaged(release, values_of("values-gpu")) == {own, kafka, f"{REPOSITORY}@{GPU}"}
    assert _packaged(release, {"kafkaUi": {"flavour": "kafbat"}}) == {own, kafka, f"docker.io/kafbat/kafka-ui@{KAFBAT}"}


def test_a_package_lists_the_images_of_its_release(release: Path) -> None:
    """For mirrors: CPU, GPU, Kafka and kafbat, each by digest."""
    listed = (release / "images.txt").read_text().splitlines()
    assert [image.partition("@")[2] for image in listed] == [KAFKA, KAFBAT, CPU, GPU]


def test_a_package_is_the_chart_with_other_images_only(release: Path, tmp_path: Path) -> None:
    """Its values differ from the tree's in five places and keep every comment; its version is the release's."""
    expand(tmp_path, release / "btc-forecast-9.8.7.tgz")
    chart = yaml.safe_load((tmp_path / "btc-forecast" / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == ("9.8.7", "9.8.7")
    before = (CHART / "values.yaml").read_text().splitlines()
    after = (tmp_path / "btc-forecast" / "values.yaml").read_text().splitlines()
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert len(changed) == 5
    assert all(old.partition("#")[2] == new.partition("#")[2] for old, new in changed)


@pytest.mark.parametrize(
    ("option", "value", "complaint"),
    [("--digest", "latest", "not sha256"), ("--repository", "team/btc-forecast", "does not begin with a registry")],
)
def test_a_package_is_refused_without_registry_or_digest(
    tmp_path: Path, option: str, value: str, complaint: str
) -> None:
    """A tag can be moved, and a name without a registry means another one on another machine."""
    options = {"--version": "1.0.0", "--repository": REPOSITORY, "--digest": CPU, "--gpu-digest": GPU,
               "--kafka-digest": KAFKA, "--kafka-ui-digest": KAFBAT, "--out": str(tmp_path), option: value}  # fmt: skip
    done = _run("package.py", *(part for pair in options.items() for part in pair))
    assert done.returncode == 2
    assert complaint in done.stderr
