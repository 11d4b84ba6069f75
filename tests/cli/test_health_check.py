"""`btc health` against pages that are well, ill or not there."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from app.cli.health_check import health_reasons
from app.service import health, ports
from app.settings import Settings

PAGES = ("metrics_port", "worker_port", "api_port", "dashboard_port", "kafka_ui_port")


def _settings() -> Settings:
    return Settings(**{name: ports.free_port() for name in PAGES})  # type: ignore[arg-type]


async def test_who_listens_is_asked_and_who_does_not_is_left_out() -> None:
    """A page that is well has no trouble; one that is ill says why; the others are not named."""
    import asyncio

    of = _settings()
    async with (
        health.serving("127.0.0.1", of.metrics_port, health.Checks(lambda: "", lambda: "")),
        health.serving("127.0.0.1", of.worker_port, health.Checks(lambda: "offsets stand still", lambda: "")),
    ):
        await asyncio.sleep(0.3)
        assert await asyncio.to_thread(health_reasons, of) == {"metrics": "", "worker": "offsets stand still"}


def test_a_page_that_hangs_is_not_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes the connection and says nothing is ill."""
    monkeypatch.setattr("app.cli.health_check.ASK_S", 0.3)
    of = _settings()
    with socket.create_server(("127.0.0.1", of.api_port)):
        assert health_reasons(of) == {"api": "timed out"}


def test_nothing_listening_is_not_well(tmp_path: Path) -> None:
    """The command ends with 1 and says so."""
    of = _settings()
    variables = {f"BTC_{name.upper()}": str(getattr(of, name)) for name in PAGES}
    done = subprocess.run([sys.executable, "-m", "app.cli", "health"], env={**variables, "HOME": str(tmp_path)},
                          capture_output=True, text=True, check=False)  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "nothing of ours listens here\n")
