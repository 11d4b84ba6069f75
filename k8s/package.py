"""Package the chart for a release: registry and digests of its images become the package's default values.

Writes `btc-forecast-VERSION.tgz` and `images.txt`, the list of every image of the release for mirrors, into a folder,
and prints the package's path. The chart of the repository stays as it is.
"""

import argparse
import re
import shutil
import tempfile
from pathlib import Path

from helm_python import Chart, package
from images import images

CHART = Path(__file__).resolve().parent.parent / "helm"
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
LINE = re.compile(r"^(?P<indent> *)(?P<key>[\w.-]+):(?P<value>.*?)(?P<comment> *(?:#.*)?)$")
VARIANTS = ({}, {"bitcoinForecastApp": {"gpu": {"enabled": True}}}, {"kafkaUi": {"flavour": "kafbat"}})


def stamped(text: str, changes: dict[str, str]) -> str:
    """Return values.yaml with other scalars at some paths (`kafka.image.digest`); all else and every comment stays.

    Raises:
        ValueError: there is no such path.

    """
    lines, open_keys, left = text.splitlines(), list[tuple[int, str]](), dict(changes)
    for number, line in enumerate(lines):
        if match := LINE.match(line):
            indent = len(match["indent"])
            open_keys = [*(one for one in open_keys if one[0] < indent), (indent, match["key"])]
            path = ".".join(key for _, key in open_keys)
            if path in left:
                lines[number] = f'{match["indent"]}{match["key"]}: "{left.pop(path)}"{match["comment"]}'
    if left:
        raise ValueError(f"helm/values.yaml has no {', '.join(left)}")
    return "\n".join(lines) + "\n"


def packaged(version: str, changes: dict[str, str], out: Path) -> Path:
    """Package a copy of the chart with other default values, and write the list of its images."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(shutil.copytree(CHART, Path(folder) / CHART.name))
        values = copy / "values.yaml"
        values.write_text(stamped(values.read_text(), changes))
        path = Path(package(copy, destination=out, version=version, app_version=version))
    with Chart.load(path) as chart:
        found = {image for values in VARIANTS for image in images(chart, values)}
    (out / "images.txt").write_text("\n".join(sorted(found)) + "\n")
    return path


def _digest(text: str) -> str:
    if not DIGEST.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not sha256: and 64 digits")
    return text


def _repository(text: str) -> str:
    if not re.match(r"(localhost|[^/]*[.:][^/]*)/.", text):
        raise argparse.ArgumentTypeError(f"{text!r} does not begin with a registry")
    return text


def main() -> None:
    """Package the chart and print the package's path."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--version", required=True, help="of the chart and the application, such as 1.2.3")
    parser.add_argument("--repository", required=True, type=_repository, help="name of both images, registry first")
    parser.add_argument("--digest", required=True, type=_digest, help="of the CPU image")
    parser.add_argument("--gpu-digest", required=True, type=_digest, help="of the GPU image")
    parser.add_argument("--kafka-digest", required=True, type=_digest, help="of kafka.image")
    parser.add_argument("--kafka-ui-digest", required=True, type=_digest, help="of kafkaUi.image")
    parser.add_argument("--out", required=True, type=Path, help="folder of the package and images.txt")
    options = parser.parse_args()
    changes = {
        "image.repository": options.repository,
        "image.digest": options.digest,
        "bitcoinForecastApp.gpu.imageDigest": options.gpu_digest,
        "kafka.image.digest": options.kafka_digest,
        "kafkaUi.image.digest": options.kafka_ui_digest,
    }
    print(packaged(options.version, changes, options.out))


if __name__ == "__main__":
    main()
