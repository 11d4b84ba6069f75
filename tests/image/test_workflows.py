"""The workflows ask for little and trust nothing that moves; these tests read them as YAML."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

FOLDER = Path(__file__).parents[2] / ".github" / "workflows"
FILES = sorted(FOLDER.glob("*.yml"))
MAY_WRITE = {"image.yml": {"packages", "id-token", "attestations", "security-events"},
             "release.yml": {"packages", "id-token", "attestations", "security-events", "contents"}}  # fmt: skip

each = pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)


def read(file: Path) -> dict[str, Any]:
    """Return a workflow; `on` is a truth value in YAML 1.1, so it is renamed."""
    text: dict[Any, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return {**{str(key): value for key, value in text.items()}, "on": text.get(True)}


def test_there_is_a_workflow_for_each_promise() -> None:
    """Test, chart, image and release are there."""
    assert [file.stem for file in FILES] == ["chart", "image", "release", "test"]


@each
def test_nothing_is_permitted_but_what_a_job_names(file: Path) -> None:
    """The workflow itself may do nothing; a job that writes is one of the few that must."""
    workflow = read(file)
    assert workflow["permissions"] == {}
    for name, job in workflow["jobs"].items():
        writes = {what for what, how in job["permissions"].items() if how == "write"}
        assert writes <= MAY_WRITE.get(file.name, set()), f"{file.name}, job {name}: {writes}"


@each
def test_two_runs_of_one_branch_do_not_race(file: Path) -> None:
    """Each workflow has a concurrency group; a release is never cancelled half-way."""
    concurrency = read(file)["concurrency"]
    assert "${{ github.ref }}" in concurrency["group"]
    if file.stem == "release":
        assert concurrency["cancel-in-progress"] is False


@each
def test_actions_are_pinned_by_commit(file: Path) -> None:
    """A tag can be moved, a commit cannot. The version is named in a comment."""
    used = re.findall(r"uses: (\S+)(.*)", file.read_text(encoding="utf-8"))
    for action, comment in used:
        if not action.startswith("./"):
            assert re.fullmatch(r"[\w-]+/[\w/-]+@[0-9a-f]{40}", action), action
            assert re.fullmatch(r" # v\d+\.\d+\.\d+", comment), f"{action}{comment}"


@each
def test_jobs_end_and_checkouts_keep_no_token(file: Path) -> None:
    """Each job that runs steps has a time limit; no checkout leaves its token in the folder."""
    for job in read(file)["jobs"].values():
        assert "uses" in job or job["timeout-minutes"] <= 60
        for step in job.get("steps", []):
            if str(step.get("uses", "")).startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False


@each
def test_scripts_take_what_others_wrote_only_as_variables(file: Path) -> None:
    """No `${{ … }}` inside a script: a branch's name could otherwise become a command."""
    for job in read(file)["jobs"].values():
        for step in job.get("steps", []):
            if "matrix." not in str(step.get("run", "")):
                assert "${{" not in str(step.get("run", "")), step.get("name")


@each
def test_no_registry_is_named(file: Path) -> None:
    """Where images go is a variable of the repository."""
    assert not re.search(r"\b[\w-]+\.(io|com|dev|org)/", file.read_text(encoding="utf-8"))


def test_make_check_runs_on_every_supported_python() -> None:
    """The test workflow covers what requires-python allows."""
    check = read(FOLDER / "test.yml")["jobs"]["check"]
    assert check["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13"]
    assert any(str(step.get("run", "")).startswith("make check") for step in check["steps"])


def test_the_chart_is_rendered_for_at_least_four_kubernetes_minors() -> None:
    """From the oldest that is supported on."""
    minors = read(FOLDER / "chart.yml")["jobs"]["helm"]["strategy"]["matrix"]["kubernetes"]
    assert len(minors) >= 4
    assert minors[0].startswith("1.28.")


def test_a_release_packages_the_chart_with_the_script_that_is_tested() -> None:
    """The call has every option that the script needs, and the list of images is published."""
    steps = read(FOLDER / "release.yml")["jobs"]["publish"]["steps"]
    scripts = "\n".join(str(step.get("run", "")) for step in steps)
    assert "helm package" not in scripts
    (call,) = re.findall(r"python k8s/package\.py (.*?--out dist)", scripts.replace("\\\n", ""))
    tool = (FOLDER.parents[1] / "k8s" / "package.py").read_text(encoding="utf-8")
    assert set(re.findall(r"--[\w-]+", call)) == set(re.findall(r'add_argument\("(--[\w-]+)", required=True', tool))
    assert re.search(r"gh release create .*dist/images\.txt", scripts, re.DOTALL)
