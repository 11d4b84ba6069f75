"""The rendered chart as Kubernetes objects, and queries on them."""

import copy
import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from helm_python import Chart

Object = dict[str, Any]
CHART = Path(__file__).resolve().parents[2] / "helm"
NAMESPACE, RELEASE = "btc", "btc"
COMPONENTS = {
    "dataCollector": "data-collector", "bitcoinForecastApp": "bitcoin-forecast-app", "webApp": "web-app",
    "dashboard": "dashboard", "kafka": "kafka", "kafkaController": "kafka-controller", "kafkaUi": "kafka-ui",
    "trainer": "trainer", "archive": "archive",
}  # fmt: skip
COMPONENT = "app.kubernetes.io/component"
WORKLOADS = ("Deployment", "StatefulSet")
UNITS = {"m": 1e-3, "": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40}


@lru_cache(maxsize=1)
def chart() -> Chart:
    """Return the chart, loaded once."""
    return Chart.load(CHART)


def values_of(*names: str) -> dict[str, Any]:
    """Return values files, later ones on top: `values_of("values-production", "values-gpu")`."""
    merged: dict[str, Any] = {}
    for name in names:
        merged = laid_over(merged, yaml.safe_load((CHART / f"{name}.yaml").read_text()) or {})
    return merged


def laid_over(base: dict[str, Any], top: dict[str, Any]) -> dict[str, Any]:
    """Return `base` with `top` on top, folder by folder, as Helm does."""
    both = {key: laid_over(base[key], top[key]) for key in base.keys() & top.keys() if isinstance(top[key], dict)}
    return {**base, **top, **both}


def sets() -> list[str]:
    """Return the names of every ready-made set of values and every file of ci/."""
    return [str(path.relative_to(CHART).with_suffix("")) for path in sorted(CHART.glob("values-*.yaml"))] + [
        str(path.relative_to(CHART).with_suffix("")) for path in sorted(CHART.glob("ci/*.yaml"))
    ]


def render(values: dict[str, Any] | None = None, name: str = RELEASE) -> list[Object]:
    """Return every object, hooks and tests too."""
    found = [one for path, text in files(values, name).items() for one in parse(path, text)]
    return copy.deepcopy(found)


def files(values: dict[str, Any] | None = None, name: str = RELEASE) -> dict[str, str]:
    """Return what each template renders to, by its path."""
    return _files(json.dumps(values or {}, sort_keys=True), name)


@lru_cache(maxsize=64)
def _files(values: str, name: str) -> dict[str, str]:
    rendered = chart().render(json.loads(values), name=name, namespace=NAMESPACE)
    return {path: text for path, text in sorted(rendered.items()) if path.endswith(".yaml") and text.strip()}


@lru_cache(maxsize=4096)
def parse(path: str, text: str) -> list[Object]:
    """Return the objects of a rendered template.

    Raises:
        yaml.YAMLError: it is no YAML, or a mapping has one key twice.

    """
    try:
        return [one for one in yaml.load_all(text, UniqueKeys) if one]
    except yaml.YAMLError as error:
        raise yaml.YAMLError(f"{path}: {error}") from error


class UniqueKeys(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML loader that refuses a mapping with one key twice, of which YAML silently keeps the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Return the mapping.

        Raises:
            yaml.YAMLError: it has one key twice.

        """
        keys = [key.value for key, _ in node.value]
        if twice := {key for key in keys if keys.count(key) > 1}:
            raise yaml.constructor.ConstructorError(None, None, f"set twice: {', '.join(twice)}", node.start_mark)
        return dict(super().construct_mapping(node, deep))


def of_kind(objects: list[Object], *kinds: str) -> list[Object]:
    """Return the objects of some kinds."""
    return [one for one in objects if one["kind"] in kinds]


def one_of(objects: list[Object], kind: str, component: str) -> Object:
    """Return the only object of a kind and component."""
    (found,) = [one for one in of_kind(objects, kind) if one["metadata"]["labels"][COMPONENT] == component]
    return found


def workload(objects: list[Object], component: str) -> Object:
    """Return the Deployment or StatefulSet of a component."""
    (found,) = [one for one in of_kind(objects, *WORKLOADS) if one["metadata"]["labels"][COMPONENT] == component]
    return found


def pods(objects: list[Object]) -> Iterator[tuple[str, Object]]:
    """Yield every pod there may be: the object's name and its {metadata, spec}."""
    for one in objects:
        if one["kind"] in (*WORKLOADS, "Job"):
            yield one["metadata"]["name"], one["spec"]["template"]
        elif one["kind"] == "Pod":
            yield one["metadata"]["name"], one


def container(of: Object) -> Object:
    """Return the container of a workload; of brokers, which have a monitor beside them, that of Kafka."""
    found, *monitor = of["spec"]["template"]["spec"]["containers"]
    assert [one["name"] for one in monitor] == (["monitor"] if found["name"] == "kafka" else [])
    return dict(found)


def monitor_of_kafka(objects: list[Object]) -> Object:
    """Return the container that monitors a broker."""
    return dict(workload(objects, "kafka")["spec"]["template"]["spec"]["containers"][1])


def amount(quantity: str | float) -> float:
    """Return a quantity in cores or bytes.

    >>> amount("300m"), amount("2Gi")
    (0.3, 2147483648.0)
    """
    text = str(quantity)
    number = text.rstrip("mkKMGTi")
    return float(number) * UNITS[text.removeprefix(number)]


def environment(objects: list[Object]) -> dict[str, str]:
    """Return the settings of every process, as variables."""
    (found,) = [one for one in of_kind(objects, "ConfigMap") if one["metadata"]["name"].endswith("-settings")]
    return dict(found["data"])
