"""What every test may ask for. What leaves: `recordings`; and skips that CI does not allow."""

import os
from pathlib import Path

import pytest

RECORDINGS = Path(__file__).resolve().parents[1].parent / "shared" / "data"
REQUIRED = {name for name in os.environ.get("BTC_TESTS_REQUIRE", "").split(",") if name}
WORDS = {"kafka": ("Kafka", "jars"), "chromium": ("chromium",)}


@pytest.fixture(scope="session")
def recordings() -> Path:
    """Return the folder of real recordings, or skip where this machine has none."""
    if not RECORDINGS.is_dir():
        pytest.skip("no recordings beside this checkout: they are on the developers' machines only")
    return RECORDINGS


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
