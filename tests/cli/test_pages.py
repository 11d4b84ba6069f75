"""Health pages that are healthy, unhealthy, silent or not there."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from app.cli.pages import health_reasons
from app.service import health, ports
from app.settings import Settings

PAGES = ("metrics_port", "worker_port", "api_port", "dashboard_port", "kafka_ui_port")


def _settings() -> Settings:
    return Settings(**{name: ports.free_port() for name in PAGES})  # type: ignore[arg-type]


async def test_pages_that_listen_are_checked_and_others_are_left_out() -> None:
    """A healthy page has no reason; an unhealthy one says why; the others are not named."""
    import asyncio

    of = _settings()
    async with (
        health.serving("127.0.0.1", of.metrics_port, health.Checks(lambda: "", lambda: "")),
        health.serving("127.0.0.1", of.worker_port, health.Checks(lambda: "offsets stand still", lambda: "")),
    ):
        await asyncio.sleep(0.3)
        assert await asyncio.to_thread(health_reasons, of) == {"metrics": "", "worker": "offsets stand still"}


def test_a_page_that_hangs_is_unhealthy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that accepts the connection and does not answer is unhealthy."""
    monkeypatch.setattr("app.cli.pages.TIMEOUT_S", 0.3)
    of = _settings()
    with socket.create_server(("127.0.0.1", of.api_port)):
        assert health_reasons(of) == {"API": "timed out"}


def test_no_page_at_all_is_a_failure(tmp_path: Path) -> None:
    """The command ends with 1 and prints so."""
    of = _settings()
    variables = {f"BTC_{name.upper()}": str(getattr(of, name)) for name in PAGES}
    done = subprocess.run([sys.executable, "-m", "app.cli", "health"], env={**variables, "HOME": str(tmp_path)},
                          capture_output=True, text=True, check=False)  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "no health page listens on this machine\n")
