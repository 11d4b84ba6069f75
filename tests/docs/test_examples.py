"""Every example in a docstring (`>>>`) runs and gives what it shows."""

import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROMPT = ">>> "


def examples_in(path: Path) -> int:
    """Return how many examples a file has."""
    return sum(line.lstrip().startswith(PROMPT) for line in path.read_text(encoding="utf-8").splitlines())


def module_of(path: Path) -> str:
    """Return a file's module: app/clock.py → app.clock."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


FILES = [path for top in ("app", "agents", "tables") for path in (ROOT / top).rglob("*.py") if examples_in(path)]


@pytest.mark.parametrize("path", sorted(FILES), ids=module_of)
def test_examples_give_what_they_show(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each example gives the output it shows; doctest finds all of them."""
    module = importlib.import_module(module_of(path))
    tests = doctest.DocTestFinder().find(module)
    assert sum(len(test.examples) for test in tests) == examples_in(path)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    for test in tests:
        runner.run(test)
    assert runner.failures == 0, capsys.readouterr().out
