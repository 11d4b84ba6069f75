"""Recordings for every test, skips that CI does not allow, and how tests share two processes."""

import logging
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import structlog

HERE = Path(__file__).resolve().parent
RECORDINGS = HERE.parents[1] / "shared" / "data"
GROUPS = ("pods", "live", "training/test_train.py", "training/test_skill_recorded.py")
REQUIRED = {name for name in os.environ.get("BTC_TESTS_REQUIRE", "").split(",") if name}
WORDS = {"kafka": ("Kafka", "jars"), "chromium": ("chromium",)}


@pytest.fixture(scope="session")
def recordings() -> Path:
    """Return the folder of real recordings, or skip where this machine has none."""
    if not RECORDINGS.is_dir():
        pytest.skip("no recordings beside this checkout: they are on the developers' machines only")
    return RECORDINGS


@pytest.fixture(autouse=True)
def _own_logging(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Undo what a test's process sets up for its log: the next test would find its lines elsewhere."""
    before, root = structlog.get_config(), logging.getLogger()
    handlers, level = list(root.handlers), root.level
    monkeypatch.setattr(structlog, "configure", partial(_configure_uncached, structlog.configure))
    yield
    monkeypatch.undo()
    structlog.configure(**before)
    structlog.contextvars.clear_contextvars()
    root.handlers[:] = handlers
    root.setLevel(level)


def _configure_uncached(configure: Any, **options: Any) -> None:
    configure(**{**options, "cache_logger_on_first_use": False})


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):  # type: ignore[no-untyped-def]
    """Turn a skip for want of something that must be here (`BTC_TESTS_REQUIRE`) into a failure."""
    report = yield
    if report.skipped and isinstance(report.longrepr, tuple):
        reason = str(report.longrepr[2])
        for name in REQUIRED:
            if any(word.lower() in reason.lower() for word in WORDS.get(name, (name,))):
                report.outcome, report.longrepr = "failed", f"{reason} — but BTC_TESTS_REQUIRE demands {name}"
    return report


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Group tests for `pytest -n 2 --dist loadgroup`: what waits for processes runs beside what computes.

    A group runs in one process, in order, so brokers and module fixtures are shared as without `-n`. The long groups
    start first.
    """
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_group(item)))
    items.sort(key=lambda item: GROUPS.index(_group(item)) if _group(item) in GROUPS else len(GROUPS))


def _group(item: pytest.Item) -> str:
    folder = item.path.relative_to(HERE).parts[0]
    if item.get_closest_marker("live") or item.get_closest_marker("browser"):
        return "pods" if folder in {"rolling", "chart", "image", "cluster"} else "live"
    return str(item.path.relative_to(HERE))
