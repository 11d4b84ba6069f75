"""Print every image that a set of values runs, hooks and tests included, one a line: what a mirror must hold.

With `--mirror` each line also has the image's name in that mirror: the one that the chart uses with the same value of
`global.imageRegistry`.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from helm_python import Chart

CHART = Path(__file__).resolve().parent.parent / "helm"
EXAMPLES = """examples:
  python k8s/images.py                                  the images of the default values
  python k8s/images.py -f helm/values-gpu.yaml          of other values; several files: later ones on top
  python k8s/images.py --chart btc-forecast-1.2.3.tgz   of a released chart, by digest
  python k8s/images.py --mirror mirror.example:5000     beside each image its name in a mirror
"""


def images(chart: Chart, values: dict[str, Any]) -> list[str]:
    """Return the image of every container that the values render, in the order of the templates."""
    rendered = sorted(chart.render(values, name="btc", namespace="btc").items())
    objects = [one for path, text in rendered if path.endswith(".yaml") for one in yaml.safe_load_all(text)]
    return list(_of_containers(objects))


def _of_containers(part: Any) -> Iterator[str]:
    """Yield the image of every container anywhere in a part of an object."""
    if isinstance(part, list):
        for inner in part:
            yield from _of_containers(inner)
    elif isinstance(part, dict):
        for key, inner in part.items():
            if key in ("containers", "initContainers"):
                yield from (container["image"] for container in inner)
            else:
                yield from _of_containers(inner)


def mirrored(chart: Chart, values: dict[str, Any], mirror: str) -> dict[str, str]:
    """Return each image's name in a mirror: `{"docker.io/apache/kafka:4.3.0": "mirror.example/apache/kafka:4.3.0"}`."""
    behind = laid_over(values, {"global": {"imageRegistry": mirror}})
    return dict(zip(images(chart, values), images(chart, behind), strict=True))


def laid_over(base: dict[str, Any], top: dict[str, Any]) -> dict[str, Any]:
    """Return values with others on top, as Helm does."""
    both = {key: laid_over(base[key], top[key]) for key in base.keys() & top.keys() if isinstance(top[key], dict)}
    return {**base, **top, **both}


def main() -> None:
    """Print the images."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-f", "--values", type=Path, action="append", default=[], help="a values file; may be repeated")
    parser.add_argument("--chart", type=Path, default=CHART, help="folder or package of the chart (default: helm)")
    parser.add_argument("--mirror", help="registry of a mirror, with a path if it has one")
    options = parser.parse_args()
    values: dict[str, Any] = {}
    for path in options.values:
        values = laid_over(values, yaml.safe_load(path.read_text()) or {})
    with Chart.load(options.chart) as chart:
        if options.mirror:
            lines = {f"{image} {copy}" for image, copy in mirrored(chart, values, options.mirror).items()}
        else:
            lines = set(images(chart, values))
    print("\n".join(sorted(lines)))


if __name__ == "__main__":
    main()
