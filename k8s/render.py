"""Render the chart with its default values into `k8s/manifests`, for clusters without Helm.

`python k8s/render.py` writes the files; with `--check` it only compares and fails where a file differs.
"""

import sys
from pathlib import Path
from typing import Any

import yaml
from helm_python import Chart

HERE = Path(__file__).resolve().parent
NAMESPACE = RELEASE = "btc"
HEAD = "# Rendered from helm/ by `make k8s`; change it there.\n"


def manifests() -> dict[str, str]:
    """Return every file under k8s/manifests by its path, one for each template; `helm test` pods stay with Helm."""
    found: dict[str, str] = {}
    with Chart.load(HERE.parent / "helm") as chart:
        for path, text in sorted(chart.render({}, name=RELEASE, namespace=NAMESPACE).items()):
            name = path.partition("/templates/")[2]
            objects = [one for one in yaml.safe_load_all(text) if one] if name.endswith(".yaml") else []
            if objects and not name.startswith("tests/"):
                found[name] = HEAD + _dump([_without_helm(one) for one in objects])
    resources = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": list(found)}
    return {**found, "kustomization.yaml": HEAD + yaml.safe_dump(resources, sort_keys=False)}


def _without_helm(one: dict[str, Any]) -> dict[str, Any]:
    """Return an object managed by kustomize, without hook annotations, which kubectl would not run."""
    metadata = one["metadata"]
    for part in (metadata, one.get("spec", {}).get("template", {}).get("metadata", {})):
        if part.get("labels", {}).get("app.kubernetes.io/managed-by"):
            part["labels"]["app.kubernetes.io/managed-by"] = "kustomize"
    annotations = {key: value for key, value in metadata.pop("annotations", {}).items() if "helm.sh/" not in key}
    if annotations:
        metadata["annotations"] = annotations
    return one


def _dump(objects: list[dict[str, Any]]) -> str:
    return yaml.dump_all(objects, Dumper=Readable, sort_keys=False, width=120, allow_unicode=True)


class Readable(yaml.SafeDumper):
    """YAML writer that writes strings of several lines as blocks."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


Readable.add_representer(str, _text)


def drift(folder: Path = HERE / "manifests") -> list[str]:
    """Return the files that are missing, differ, or should not be there."""
    wanted = manifests()
    found = {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*.yaml")}
    return sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))


def write(folder: Path = HERE / "manifests") -> None:
    """Write every file, and delete those that no template renders any more."""
    wanted = manifests()
    for path in folder.rglob("*.yaml"):
        if str(path.relative_to(folder)) not in wanted:
            path.unlink()
    for name, text in wanted.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


if __name__ == "__main__":
    if "--check" in sys.argv:
        changed = drift()
        sys.exit(f"k8s/manifests is not what the chart says, run `make k8s`: {', '.join(changed)}" if changed else 0)
    write()
