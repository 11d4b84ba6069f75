"""Every ready-made set of values on a real node: it runs, forecasts, passes `helm test`, and ends."""

import json
from pathlib import Path

import pytest

from tests.cluster.objects import NAMESPACED
from tests.cluster.real.node import Node
from tests.cluster.real.release import Release, release, secrets


@pytest.mark.parametrize("name", ["default", "minikube", "production"])
def test_installs_forecasts_is_tested_and_leaves_only_its_claims(node: Node, name: str, tmp_path: Path) -> None:
    """With the values as they are everything runs at the first start; forecasts come within three minutes."""
    sets = () if name == "default" else (f"values-{name}",)
    with release(node, f"real-{name}", *sets) as one:
        if name == "production":
            node.apply(*({**made, "metadata": {**made["metadata"], "namespace": one.namespace}}
                         for made in secrets(one.namespace, tmp_path)))  # fmt: skip
        before = _names(node, one.namespace)
        one.install()
        assert _of_processes(node.restarts(one.namespace)) == {}
        assert _not_json(node.logs(one.namespace)) == {}
        one.test()
        _say_what_limits_cost(one)
        one.uninstall()
        left = {found for found in _names(node, one.namespace) - before if not found.startswith("ReplicaSet/")}
        assert {found.partition("/")[0] for found in left} == {"PersistentVolumeClaim"}


def _of_processes(restarts: dict[str, int]) -> dict[str, int]:
    return {name: count for name, count in restarts.items() if count}


def _not_json(logs: dict[str, list[str]]) -> dict[str, str]:
    """Return the first line of each container that is not one JSON object."""
    found: dict[str, str] = {}
    for container, lines in logs.items():
        assert lines, f"{container} has printed nothing"
        for line in lines:
            try:
                is_object = isinstance(json.loads(line), dict)
            except ValueError:
                is_object = False
            if not is_object:
                found.setdefault(container, line)
    return found


def _say_what_limits_cost(one: Release) -> None:
    for name, (periods, stopped) in sorted(one.node.throttled(one.namespace).items()):
        share = stopped / max(1, periods)
        print(f"           {name}: stopped by its CPU limit in {share:.0%} of {periods} periods")


def _names(node: Node, namespace: str) -> set[str]:
    return {f"{one['kind']}/{one['metadata']['name']}" for one in node.get(NAMESPACED, namespace)}
