"""`btc dashboard`: Streamlit on its port, and a board that follows the topics from the start.

Streamlit runs no script before the first visitor, so the board is started here and given to `shared_board`. The server
is Streamlit's own ASGI app under uvicorn: one process, no configuration file, ended by SIGTERM.
"""

import asyncio
import logging
import signal
from contextlib import suppress
from pathlib import Path

from starlette.middleware import Middleware
from streamlit.starlette import App
from streamlit.web import bootstrap

from app import logs
from app.board.board import Board
from app.dashboard import plotly_chart, shared_board
from app.dashboard.background import following
from app.dashboard.theme import options
from app.dashboard.visitors import CountingMiddleware, Visitors
from app.service import health, ports
from app.service.graceful_server import GracefulServer
from app.service.health import Checks
from app.service.heartbeat import ProcessStatus
from app.settings import Settings

SCRIPT = Path(__file__).with_name("main.py")
CLOSING_S = 1  # how long open pages have to close when the process ends


def run(settings: Settings) -> int:
    """Serve the dashboard until SIGTERM; return the exit code, 1 if one of its ports is taken."""
    logs.set_up(settings, "dashboard")
    logging.getLogger("streamlit").setLevel(logging.WARNING)
    for port, name, variable in (
        (settings.dashboard_port, "dashboard", "BTC_DASHBOARD_PORT"),
        (settings.metrics_port, "metrics", "BTC_METRICS_PORT"),
    ):
        if reason := ports.taken_reason(port, name, variable):
            logs.report_end(settings, "dashboard", reason)
            return 1
    board, visitors, status = Board(settings), Visitors(), ProcessStatus()
    with following(settings, board, visitors, status):
        serve(settings, board, visitors, status.checks())
    return 0


def serve(settings: Settings, board: Board, visitors: Visitors, checks: Checks | None = None) -> None:
    """Serve the pages of a board, and health, on the dashboard's port until SIGTERM or SIGINT."""
    shared_board.share(board)
    bootstrap.load_config_options(options(settings))
    app = application(visitors, checks or Checks())
    server = GracefulServer(app, closing_s=CLOSING_S, host=settings.host, port=settings.dashboard_port, log_config=None)
    asyncio.run(_until_signal(server))


def application(visitors: Visitors, checks: Checks) -> App:
    """Return Streamlit's application with our routes.

    `/healthz` is answered by the event loop that serves the pages: it tells whether they or the board stand still.
    """
    routes = [plotly_chart.ROUTE, *health.routes(checks)]
    return App(SCRIPT, routes=routes, middleware=[Middleware(CountingMiddleware, visitors)])


async def _until_signal(server: GracefulServer) -> None:
    serving = asyncio.create_task(server.serve_until_cancelled())
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, serving.cancel)
    with suppress(asyncio.CancelledError):
        await serving
