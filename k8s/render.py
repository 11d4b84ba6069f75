"""Render the chart into `k8s/manifests`, for those without Helm. What enters: helm/; what leaves: a file per object.

`python k8s/render.py` writes, `--check` only compares and fails where something drifted.
"""

import sys
from pathlib import Path

import yaml
from helm_python import Chart

HERE = Path(__file__).resolve().parent
NAMESPACE = RELEASE = "btc"
HEAD = "# Rendered from helm/ by `make k8s`; change it there.\n"


def manifests() -> dict[str, str]:
    """Return every file under k8s/manifests by its path; `helm test` pods stay with Helm."""
    found: dict[str, str] = {}
    with Chart.load(HERE.parent / "helm") as chart:
        for path, text in sorted(chart.render({}, name=RELEASE, namespace=NAMESPACE).items()):
            name = path.partition("/templates/")[2]
            if name.endswith(".yaml") and not name.endswith("/test.yaml") and text.strip():
                found[name] = HEAD + _plain(text)
    resources = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": list(found)}
    return {**found, "kustomization.yaml": HEAD + yaml.safe_dump(resources, sort_keys=False)}


def _plain(text: str) -> str:
    one = yaml.safe_load(text)
    metadata = one["metadata"]
    for where in (metadata, one.get("spec", {}).get("template", {}).get("metadata", {})):
        if where.get("labels", {}).get("app.kubernetes.io/managed-by"):
            where["labels"]["app.kubernetes.io/managed-by"] = "kustomize"
    for note in [note for note in metadata.get("annotations", {}) if note.startswith("helm.sh/")]:
        del metadata["annotations"][note]  # nothing runs hooks here
    if metadata.get("annotations") == {}:
        del metadata["annotations"]
    return yaml.dump(one, Dumper=Readable, sort_keys=False, width=120, allow_unicode=True)


class Readable(yaml.SafeDumper):
    """Writes texts of several lines as blocks."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


Readable.add_representer(str, _text)


def drift(folder: Path = HERE / "manifests") -> list[str]:
    """Return the files that are missing, differ, or should not be there."""
    wanted = manifests()
    found = {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*.yaml")}
    return sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))


def write(folder: Path = HERE / "manifests") -> None:
    """Write every file, and delete those that no template makes any more."""
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
