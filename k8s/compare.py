"""Compare what the chart renders to in a git revision with what it renders to in the working tree.

Every values file (`helm/values-*.yaml`, `helm/ci/*.yaml`) is rendered with both charts. The order of documents and of
keys, whitespace and comments do not count. Exit code 0: identical; 1: the printed differences; 2: no
such revision.
"""

import argparse
import difflib
import io
import subprocess
import sys
import tarfile
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import yaml
from helm_python import Chart

CHART = Path(__file__).resolve().parent.parent / "helm"
NAMESPACE = RELEASE = "btc"
EXAMPLES = """examples:
  python k8s/compare.py HEAD             what my uncommitted changes do to the manifests
  python k8s/compare.py main             what my branch does to them
  python k8s/compare.py v1.2.0 --name a  an upgrade from a release, installed under another name
"""
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's are ten times faster
Manifests = dict[str, str]  # {"Deployment/btc-web-app": normalised YAML}


class Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    """YAML writer that writes strings of several lines as blocks, so that a diff shows lines."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


Dumper.add_representer(str, _text)


def values_files(*charts: Path) -> list[str]:
    """Return the names of all values files that any of the charts has: `["ci/bare-values.yaml", …]`."""
    found = {path.relative_to(chart) for chart in charts for glob in ("values-*.yaml", "ci/*.yaml")
             for path in chart.glob(glob)}  # fmt: skip
    return sorted(map(str, found))


def manifests(chart: Path, values: dict[str, Any], name: str = RELEASE) -> Manifests:
    """Return every rendered object, hooks and tests included, as YAML with sorted keys.

    Raises:
        HelmError: the chart refuses the values.
        yaml.YAMLError: a template does not render to YAML.
        ValueError: two templates make the same object.

    """
    found: Manifests = {}
    with Chart.load(chart) as loaded:
        rendered = loaded.render(values, name=name, namespace=NAMESPACE)
    for path, text in sorted(rendered.items()):
        for one in yaml.load_all(text, LOADER) if path.endswith(".yaml") else ():
            if one is None:
                continue
            title = f"{one['kind']}/{one['metadata']['name']}"
            if title in found:
                raise ValueError(f"{title} is rendered twice, the second time by {path}")
            found[title] = yaml.dump(one, Dumper=Dumper, sort_keys=True, width=120, allow_unicode=True)
    return found


def differences(base: Manifests, tree: Manifests) -> list[str]:
    """Return a unified diff for every object that was added, removed or changed."""
    return [
        "\n".join(difflib.unified_diff(
            base.get(title, "").splitlines(), tree.get(title, "").splitlines(),
            f"base {title}" if title in base else "no object", f"tree {title}" if title in tree else "no object",
            lineterm="",
        ))
        for title in sorted(base.keys() | tree.keys())
        if base.get(title) != tree.get(title)
    ]  # fmt: skip


def compare(base: Path, tree: Path, name: str = RELEASE) -> dict[str, list[str]]:
    """Return every difference between two charts, with the values files it occurs under."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for values in values_files(base, tree):
        both = [manifests(chart, _values(chart, values, (tree, base)), name) for chart in (base, tree)]
        for difference in differences(*both):
            found[difference].append(values)
    return dict(found)


def _values(chart: Path, name: str, others: tuple[Path, ...]) -> dict[str, Any]:
    """Read the chart's own copy of a values file, or that of the other chart where it has none."""
    path = next(folder / name for folder in (chart, *others) if (folder / name).exists())
    return yaml.safe_load(path.read_text()) or {}


def checkout(revision: str, folder: Path) -> Path:
    """Write the chart of a git revision under a folder and return its path.

    Raises:
        SystemExit: git does not know the revision; git has printed why.

    """
    command = ["git", "-C", str(CHART.parent), "archive", revision, CHART.name]
    packed = subprocess.run(command, check=False, stdout=subprocess.PIPE)  # noqa: S603
    if packed.returncode:
        sys.exit(2)
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder / CHART.name


def main() -> int:
    """Print the differences and return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("revision", metavar="BASE_REV", help="git revision to compare with, such as HEAD or main")
    parser.add_argument("--name", default=RELEASE, help="name of the release (default: %(default)s)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        base = checkout(options.revision, Path(folder))
        found, files = compare(base, CHART, options.name), values_files(base, CHART)
    for difference, where in found.items():
        print(f"## {'every values file' if where == files else ', '.join(where)}\n{difference}\n")
    outcome = f"{len(found)} difference(s)" if found else "identical"
    print(f"{outcome}: {options.revision} and the working tree, {len(files)} values files")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
