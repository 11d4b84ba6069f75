"""The conventions of CONTRIBUTING, as far as a program can check them."""

import ast
import re
import tokenize
from collections import defaultdict
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("app", "agents", "tables")
# Metaphors that once stood for words of the field; in pieces where this file would find itself.
WORDS = ("ro" + "oms?", "do" + "ors?", "corri" + "dors?", "hou" + "se", "stre" + "et", "la" + "nes?",
         "wi" + "sh(?:es)?", "de" + "ed", "pul" + "se", "he" + "ard?")  # fmt: skip
METAPHORS = re.compile(rf"(?:^|_)({'|'.join(WORDS)})(?:_|$)")
PRIVATE = {
    "app/streaming/faust_fixes.py",
    "app/kafka/aiokafka_fixes.py",
    "app/collector/python_binance_fixes.py",
    "app/service/uvicorn_fixes.py",
    "app/reference/metrics.py",  # the labels of a metric, for the documentation alone
}


@lru_cache(maxsize=1)
def sources() -> dict[str, str]:
    """Return path → text of every Python file of product, tests, benchmarks and chart tools."""
    folders = (*PRODUCT, "tests", "benchmarks", "k8s", "helm")
    paths = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    return {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in paths}


def product() -> dict[str, str]:
    """Return path → text of the product's modules."""
    return {name: text for name, text in sources().items() if name.split("/")[0] in PRODUCT}


def identifiers(text: str) -> Iterator[str]:
    """Yield every name that a source defines or uses, in words of lower case."""
    with_lines = iter(text.encode().splitlines(keepends=True))
    for token in tokenize.tokenize(lambda: next(with_lines, b"")):
        if token.type == tokenize.NAME:
            yield re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", token.string).lower()


def test_no_name_is_a_metaphor() -> None:
    """Somebody who knows Kafka, asyncio and forecasting guesses right from a name alone."""
    found = {(name, word) for name, text in sources().items() for word in identifiers(text) if METAPHORS.search(word)}
    assert sorted(found) == []


@pytest.mark.parametrize("name", ["Corri" + "dor", "_leave_ro" + "om", "DO" + "ORS", "no_do" + "ors"])
def test_the_search_finds_a_metaphor(name: str) -> None:
    """As a class, a function, a constant or an option."""
    assert any(METAPHORS.search(word) for word in identifiers(f"{name} = 1\n"))


def test_no_class_name_stands_in_two_modules() -> None:
    """One name, one thing."""
    where: dict[str, list[str]] = defaultdict(list)
    for name, text in product().items():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ClassDef):
                where[node.name].append(name)
    assert {name: modules for name, modules in where.items() if len(modules) > 1} == {}


def test_few_modules_stand_at_the_root_of_the_package() -> None:
    """What everybody needs; the rest is in packages."""
    assert len(list((ROOT / "app").glob("*.py"))) <= 8


def test_private_parts_of_libraries_are_used_in_one_module_each() -> None:
    """What leans on a library's internals stands where a test watches it."""
    found = {name for name, text in product().items() if "SLF001" in text}
    assert found - PRIVATE == set()


def test_checks_that_return_a_reason_are_called_so() -> None:
    """`is_ready() -> str` would be true when it is not ready."""
    found = [
        (name, node.name)
        for name, text in product().items()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and re.match(r"(is|has|can)_|(alive|ready|healthy)$", node.name)
        and isinstance(node.returns, ast.Name)
        and node.returns.id == "str"
    ]
    assert found == []


@pytest.mark.parametrize(
    ("what", "pattern", "where"),
    [
        ("the comparison of generations", r"generation (<|>=) ", {"app/domain/acceptance.py"}),
        ("the reading of end offsets", r"\.end_offsets\(", {"app/kafka/reading.py"}),
        ("untyped views", r"dict\[str, Any\]\s*$|View = dict", set()),
        ("hand-written backoff", r"(pause|wait|delay|backoff)\w* = min\(|2 \*\* (failures|attempt)", set()),
    ],
)
def test_each_rule_is_written_once(what: str, pattern: str, where: set[str]) -> None:
    """And what was replaced does not come back."""
    assert {name for name, text in product().items() if re.search(pattern, text)} - where == set(), what
