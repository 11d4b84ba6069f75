"""All generated files together."""

from pathlib import Path

import pytest

from app.reference import __main__ as reference
from app.reference.generated_files import generated_files

ROOT = Path(__file__).resolve().parents[2]


def test_no_page_depends_on_the_settings_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """The generated files are the same whatever `BTC_…` variables are set."""
    monkeypatch.setenv("BTC_TOPIC_PREFIX", "elsewhere")
    monkeypatch.setenv("BTC_PARTITIONS", "3")
    monkeypatch.setenv("BTC_API_KEYS", "k")
    generated_files.cache_clear()
    assert reference.outdated(ROOT) == []
