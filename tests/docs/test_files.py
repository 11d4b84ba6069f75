"""Every file of the checkout: docstrings, no address of one machine, links that lead somewhere."""

import ast
import re
import subprocess
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Written in pieces, or this file would name what it forbids.
ADDRESSES = {
    "a path of one machine": re.compile(r"(?<![\w.~/$}*-])/" + r"(work|root|home/\w+|Users/\w+)/\w"),
    "a package index": re.compile("|".join([r"\bpypi" + r"\.org", "pythonhosted" + r"\.org", "extra-" + "index-url",
                                            "--index" + "-url", "PIP_" + "INDEX_URL", r"repo1?\.maven" + r"\.",
                                            "registry" + r"\.npmjs", r"proxy\.golang" + r"\.org"])),
}  # fmt: skip
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)")
FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)


@lru_cache(maxsize=1)
def files() -> tuple[Path, ...]:
    """Return the files of the checkout that git knows or would take."""
    try:
        asked = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT,
                               capture_output=True, check=True, text=True)  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout: nobody says which files belong to it")
    return tuple(path for name in asked.stdout.split("\0") if name and (path := ROOT / name).is_file())


def texts() -> Iterator[tuple[str, str]]:
    """Yield name and text of every file that is text."""
    for path in files():
        try:
            yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


def modules() -> list[str]:
    """Return the public modules of the product."""
    names = [path.relative_to(ROOT).as_posix() for path in files() if path.suffix == ".py"]
    return [name for name in names if name.split("/")[0] in {"app", "agents", "tables"} and "/_" not in name]


def docstring(name: str) -> str:
    """Return a module's docstring."""
    return ast.get_docstring(ast.parse((ROOT / name).read_text(encoding="utf-8"))) or ""


def test_every_package_and_module_has_a_docstring() -> None:
    """A module without a first line is one that nobody finds."""
    packages = [path.relative_to(ROOT).as_posix() for path in files() if path.name == "__init__.py"]
    packages = [name for name in packages if name.split("/")[0] in {"app", "agents", "tables"}]
    assert [name for name in [*packages, *modules()] if len(docstring(name)) < 20] == []


@pytest.mark.parametrize("what", ADDRESSES)
def test_no_file_names_an_address_of_one_machine(what: str) -> None:
    """What is committed runs anywhere: no path of a developer's machine, no address of a package index."""
    pattern = ADDRESSES[what]
    found = [f"{name}: {hit.group()}" for name, text in texts() for hit in [pattern.search(text)] if hit]
    assert found == []


@pytest.mark.parametrize(
    ("what", "line", "forbidden"),
    [
        ("a path of one machine", "see /" + "root/notes", True),
        ("a path of one machine", "cd /" + "home/ada/btc", True),
        ("a path of one machine", "https://example.com/" + "work/x", False),
        ("a path of one machine", "reads app/" + "root/x", False),
        ("a package index", "https://" + "pypi" + ".org/simple", True),
        ("a package index", "a package of PyPI", False),
    ],
)
def test_the_search_finds_what_it_must(what: str, line: str, *, forbidden: bool) -> None:
    """An address is found, a word that only looks like one is not."""
    assert bool(ADDRESSES[what].search(line)) == forbidden


def links() -> Iterator[tuple[Path, str]]:
    """Yield each relative link of each page, code blocks left out."""
    for path in files():
        if path.suffix == ".md":
            for target in LINK.findall(FENCE.sub("", path.read_text(encoding="utf-8"))):
                if not re.match(r"[a-z][a-z0-9+.-]*:", target):
                    yield path, target


def test_every_relative_link_leads_somewhere() -> None:
    """To a file or folder that is there, and to a heading that is on its page."""
    broken = [f"{path.relative_to(ROOT)} → {target}" for path, target in links() if not leads(path, target)]
    assert broken == []


def leads(page: Path, target: str) -> bool:
    """Say whether a link of a page leads to something."""
    name, _, anchor = target.partition("#")
    place = (page.parent / name).resolve() if name else page
    if not place.exists() or not anchor:
        return place.exists()
    return anchor in {slug(line) for line in re.findall(r"^#+ (.+)$", place.read_text(encoding="utf-8"), re.MULTILINE)}


def slug(heading: str) -> str:
    """Return the anchor a heading gets: lower case, no punctuation, hyphens for spaces."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def test_what_contributing_names_exists() -> None:
    """Every path in backticks is in the checkout, every make target in the Makefile."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    tops = {path.name for path in ROOT.iterdir()}
    paths = set(re.findall(r"`([\w./-]+/[\w./-]*|[\w-]+\.(?:py|md|toml))`", text))
    known = {path.relative_to(ROOT).as_posix() for path in files()}
    folders = {Path(*Path(name).parts[:depth]).as_posix() for name in known for depth in range(1, name.count("/") + 1)}
    lost = [name for name in sorted(paths) if name.split("/")[0] in tops and name.rstrip("/") not in known | folders]
    assert lost == []
    targets = set(re.findall(r"`make ([a-z]+)`", text))
    assert targets <= set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def test_decisions_are_numbered_without_a_hole() -> None:
    """Each decision is one short page whose title carries the number of its file."""
    pages = sorted((ROOT / "docs" / "adr").glob("*.md"))
    for number, page in enumerate(pages, 1):
        text = page.read_text(encoding="utf-8")
        assert page.name.startswith(f"{number:04d}-")
        assert text.startswith(f"# {number}. ")
        assert all(part in text for part in ("**Why.**", "**Decision.**", "**Consequences.**"))
        assert len(text.splitlines()) <= 45
