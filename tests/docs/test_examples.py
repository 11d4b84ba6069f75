"""Every `>>>` in the code runs and is right."""

import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROMPT = ">>> "


def shown(path: Path) -> int:
    """Return how many examples a file shows."""
    return sum(line.lstrip().startswith(PROMPT) for line in path.read_text(encoding="utf-8").splitlines())


def name_of(path: Path) -> str:
    """Return a file's module: app/clock.py → app.clock."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


FILES = [path for top in ("app", "agents", "tables") for path in sorted((ROOT / top).rglob("*.py")) if shown(path)]


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_examples_are_true(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each example gives what it says; none hides where doctest does not look."""
    module = importlib.import_module(name_of(path))
    tests = doctest.DocTestFinder().find(module)
    assert sum(len(test.examples) for test in tests) == shown(path)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    for test in tests:
        runner.run(test)
    assert runner.failures == 0, capsys.readouterr().out
