"""The launcher: options, ports, visitors, health."""

import socket

import httpx
import pytest
from starlette.types import Message, Receive, Scope, Send

from app.board.board import Board
from app.dashboard import launch
from app.dashboard.theme import STYLE, options
from app.dashboard.visitors import CountingMiddleware, Visitors
from app.service import ports
from app.service.health import Checks
from app.settings import Settings


def test_streamlit_stays_quiet_and_local() -> None:
    """No browser is opened, no statistics are sent, no files are watched."""
    found = options(Settings(dashboard_port=1234))
    assert (found["server.headless"], found["browser.gatherUsageStats"]) == (True, False)
    assert (found["server.address"], found["server.port"]) == ("127.0.0.1", 1234)
    assert found["server.fileWatcherType"] == "none"


def test_every_option_is_known_to_streamlit() -> None:
    """A renamed option would be ignored silently."""
    from streamlit import config

    config.get_config_options()
    assert all(config.get_options_for_section(name.partition(".")[0]) for name in options(Settings()))
    assert set(options(Settings())) <= set(config._config_options_template)


def test_a_taken_port_ends_it_with_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """What, where, who, what to do."""
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        assert launch.run(Settings(dashboard_port=port)) == 1
    line = capsys.readouterr().err
    assert line.startswith(f"btc dashboard: port {port} (dashboard) is taken by")
    assert "BTC_DASHBOARD_PORT" in line


def test_a_taken_metrics_port_ends_it_too(capsys: pytest.CaptureFixture[str]) -> None:
    """The background thread would fail on it, and the pages would stay empty."""
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        assert launch.run(Settings(dashboard_port=ports.free_port(), metrics_port=port)) == 1
    line = capsys.readouterr().err
    assert line.startswith(f"btc dashboard: port {port} (metrics) is taken by")
    assert "BTC_METRICS_PORT" in line
    assert line.count("\n") == 1


async def test_open_pages_are_counted() -> None:
    """A WebSocket counts while it is open, a request never."""
    visitors, counted = Visitors(), []

    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        counted.append(visitors.now)

    async def receive() -> Message:
        return {}

    async def send(_message: Message) -> None:
        return None

    await CountingMiddleware(app, visitors)({"type": "websocket"}, receive, send)
    await CountingMiddleware(app, visitors)({"type": "http"}, receive, send)
    assert (counted, visitors.now) == ([1, 0], 0)


def test_readiness_says_why_not() -> None:
    """A board that has not started says so."""
    assert Board(Settings()).not_ready_reason() == "not started"


async def test_health_is_answered_where_the_pages_are() -> None:
    """A board that stands still fails the check on the dashboard's own port, with its reason."""
    app = launch.application(Visitors(), Checks(stall_reason=lambda: "no message was read for 91 s"))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://dashboard") as client:
        answer = await client.get("/healthz")
        assert (answer.status_code, answer.text) == (503, "no message was read for 91 s")
        assert (await client.get("/readyz")).status_code == 200


def test_the_style_sheet_holds_no_address() -> None:
    """Nothing is fetched from elsewhere."""
    assert "http" not in STYLE
    assert "url(" not in STYLE
