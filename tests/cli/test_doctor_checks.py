"""The port checks of `btc doctor`."""

import socket

import pytest

from app.cli import doctor_checks
from app.cli.pages import PAGES
from app.service import ports
from app.settings import Settings


@pytest.fixture
def settings() -> Settings:
    """Return settings with a free port for each page, and no metrics."""
    free = {page.setting: ports.free_port() for page in PAGES if page.name != "metrics"}
    return Settings(**free)  # type: ignore[arg-type]


def test_free_ports_are_no_problem(settings: Settings) -> None:
    """Nothing has to run; a page without a port is left out."""
    found = list(doctor_checks._pages(settings))
    assert [one.ok for one in found] == [True] * 4
    assert all("not running, the port is free" in one.what for one in found)


def test_a_port_of_another_program_is_named_with_what_to_do(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not answer as the page would; the advice names the variable."""
    monkeypatch.setattr("app.cli.pages.TIMEOUT_S", 0.3)
    with socket.create_server(("127.0.0.1", settings.kafka_ui_port)):
        (wrong,) = [one for one in doctor_checks._pages(settings) if not one.ok]
    assert wrong.what.startswith(f"Kafka UI on port {settings.kafka_ui_port}: timed out")
    assert wrong.advice.endswith("end it, or set BTC_KAFKA_UI_PORT to another port")
