"""What the viewer's and the operator's Role allow, and to whom."""

from itertools import product
from typing import Any

import pytest

from tests.chart.objects import COMPONENTS, Object, of_kind, render, sets, values_of, workload

SOMEBODY = {"kind": "Group", "name": "ops"}
BOTH = {"rbac": {"viewers": [SOMEBODY], "operators": [SOMEBODY]}}
HIDDEN = {"Secret", "Role", "RoleBinding", "PriorityClass"}  # the last is no object of a namespace
Right = tuple[str, str, str, str]  # verb, group, resource, name or *


def rights(objects: list[Object], role: str) -> set[Right]:
    """Return every right of a Role."""
    (found,) = [one for one in of_kind(objects, "Role") if one["metadata"]["name"] == f"btc-{role}"]
    return {
        right for rule in found["rules"]
        for right in product(rule["verbs"], rule["apiGroups"], rule["resources"], rule.get("resourceNames", ["*"]))
    }  # fmt: skip


def resource(one: Object) -> tuple[str, str]:
    """Return group and plural of an object's kind: `("networking.k8s.io", "networkpolicies")`."""
    group = one["apiVersion"].rpartition("/")[0]
    kind = one["kind"].lower()
    if kind.endswith(("s", "x")):
        return group, f"{kind}es"
    return group, f"{kind.removesuffix('y')}ies" if kind.endswith("y") else f"{kind}s"


@pytest.mark.parametrize("name", sets())
def test_a_viewer_reads_every_object_of_the_release_but_secrets(name: str) -> None:
    """Whatever the values render, logs included."""
    objects = render({**values_of(name), **BOTH})
    viewer = rights(objects, "viewer")
    for one in objects:
        if one["kind"] not in HIDDEN:
            group, plural = resource(one)
            assert {(verb, group, plural, "*") for verb in ("get", "list", "watch")} <= viewer, one["kind"]
    assert ("get", "", "pods/log", "*") in viewer


def test_a_viewer_changes_nothing_and_sees_no_secret() -> None:
    """Reading verbs only; no Secret, no Role, no wildcard, no exec."""
    viewer = rights(render(BOTH), "viewer")
    assert {verb for verb, _, _, _ in viewer} == {"get", "list", "watch"}
    for _, group, plural, _ in viewer:
        assert plural not in {"secrets", "roles", "rolebindings", "*", "pods/exec", "pods/attach"}
        assert group != "*"


def test_an_operator_restarts_scales_and_looks_inside() -> None:
    """More than a viewer may: what `rollout restart`, `scale`, `delete pod`, `port-forward` and an eviction need."""
    objects = render(BOTH)
    more = rights(objects, "operator") - rights(objects, "viewer")
    workloads = {workload(objects, component) ["metadata"]["name"]: workload(objects, component)["kind"].lower() + "s"
                 for component in COMPONENTS.values()}  # fmt: skip
    restarts = {("patch", "apps", kind, name) for name, kind in workloads.items()}
    scales = {
        (verb, "apps", f"{kind}/scale", name)
        for verb, kind, name in product(("get", "patch", "update"), ("deployments", "statefulsets"), workloads)
    }
    pods = {("delete", "", "pods", "*"), ("create", "", "pods/eviction", "*")}
    forwards = {(verb, "", "pods/portforward", "*") for verb in ("get", "create")}
    assert more == restarts | scales | pods | forwards


def test_roles_are_made_only_for_somebody() -> None:
    """Without people there is no Role, so an installation needs no right to make any."""
    assert of_kind(render(), "Role", "RoleBinding") == []
    only = render({"rbac": {"viewers": [SOMEBODY]}})
    assert [one["metadata"]["name"] for one in of_kind(only, "Role", "RoleBinding")] == ["btc-viewer"] * 2


def test_people_are_bound_as_the_values_name_them() -> None:
    """Groups, users and ServiceAccounts; a ServiceAccount without a namespace is one of the release's."""
    objects = render(values_of("ci/rbac-values"))
    bound: dict[str, Any] = {one["roleRef"]["name"]: one["subjects"] for one in of_kind(objects, "RoleBinding")}
    api = "rbac.authorization.k8s.io"
    assert bound == {
        "btc-viewer": [{"kind": "Group", "name": "developers", "apiGroup": api},
                       {"kind": "ServiceAccount", "name": "reports", "namespace": "tools"}],
        "btc-operator": [{"kind": "User", "name": "operations@example.com", "apiGroup": api},
                         {"kind": "ServiceAccount", "name": "automation", "namespace": "btc"}],
    }  # fmt: skip
