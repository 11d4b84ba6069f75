"""The launcher: options, ports, visitors, health."""

import socket

from starlette.types import Message, Receive, Scope, Send

from app.board.board import Board
from app.dashboard import launch
from app.dashboard.background import not_ready
from app.dashboard.theme import STYLE, options
from app.dashboard.visitors import CountingMiddleware, Visitors
from app.settings import Settings


def test_streamlit_is_told_to_stay_quiet_and_local() -> None:
    """No browser is opened, no statistics are sent, no files are watched."""
    told = options(Settings(dashboard_port=1234))
    assert (told["server.headless"], told["browser.gatherUsageStats"]) == (True, False)
    assert (told["server.address"], told["server.port"]) == ("127.0.0.1", 1234)
    assert told["server.fileWatcherType"] == "none"


def test_every_option_is_known_to_streamlit() -> None:
    """A renamed option would be ignored silently."""
    from streamlit import config

    config.get_config_options()
    assert all(config.get_options_for_section(name.partition(".")[0]) for name in options(Settings()))
    assert set(options(Settings())) <= set(config._config_options_template)


def test_a_taken_port_is_named_with_its_holder() -> None:
    """One line: what, where, who, what to do."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        line = launch.port_trouble("dashboard", port, "BTC_DASHBOARD_PORT")
    assert f"port {port} is taken by" in line
    assert "BTC_DASHBOARD_PORT" in line
    assert "\n" not in line


def test_a_free_port_is_no_trouble() -> None:
    """Nothing is said."""
    assert launch.port_trouble("dashboard", 0, "BTC_DASHBOARD_PORT") == ""


async def test_open_pages_are_counted() -> None:
    """A WebSocket counts while it is open, a request never."""
    visitors, seen = Visitors(), []

    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        seen.append(visitors.now)

    async def receive() -> Message:
        return {}

    async def send(_message: Message) -> None:
        return None

    await CountingMiddleware(app, visitors)({"type": "websocket"}, receive, send)
    await CountingMiddleware(app, visitors)({"type": "http"}, receive, send)
    assert (seen, visitors.now) == ([1, 0], 0)


def test_readiness_says_why_not() -> None:
    """A board that has not started says so."""
    assert not_ready(Board(Settings())) == "not started"


def test_the_style_sheet_holds_no_address() -> None:
    """Nothing is fetched from elsewhere."""
    assert "http" not in STYLE
    assert "url(" not in STYLE
