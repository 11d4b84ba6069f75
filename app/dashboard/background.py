"""What goes on beside the pages. What enters: settings, the board; what leaves: a filled board, heartbeats, health.

All of it lives in one thread with a loop of its own, so a page that is being drawn never delays the board.
"""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from app.board.board import Board
from app.dashboard.visitors import Visitors
from app.service import health, heartbeat
from app.service.heartbeat import ProcessStatus
from app.settings import Settings

LEAVING_S = 1.0


@contextmanager
def following(settings: Settings, board: Board, visitors: Visitors) -> Iterator[None]:
    """Follow the topics, send heartbeats and serve health while the body runs."""
    loop, leave = asyncio.new_event_loop(), asyncio.Event()
    thread = threading.Thread(target=loop.run_forever, name="board", daemon=True)
    thread.start()
    work = asyncio.run_coroutine_threadsafe(_follow(settings, board, visitors, leave), loop)
    try:
        yield
    finally:
        loop.call_soon_threadsafe(leave.set)
        with suppress(TimeoutError):
            work.result(LEAVING_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(LEAVING_S)


async def _follow(settings: Settings, board: Board, visitors: Visitors, leave: asyncio.Event) -> None:
    process_status = ProcessStatus(note=settings.source)
    process_status.refresh = lambda: _tell(process_status, board, visitors)
    async with (
        heartbeat.heartbeats(settings, "dashboard", process_status),
        health.serving(settings.host, settings.metrics_port, health.Checks(lambda: "", lambda: not_ready(board))),
    ):
        await board.start()
        try:
            await leave.wait()
        finally:
            await board.stop()


def not_ready(board: Board) -> str:
    """Return why the dashboard has nothing to show yet, or "" once its board is filled."""
    if board.ready:
        return ""
    return board.trouble or "the board is being filled from the topics"


def _tell(process_status: ProcessStatus, board: Board, visitors: Visitors) -> None:
    newest = [batch.second for batch in tuple(board.state.predictions.values())]
    process_status.progress = {
        "second": float(max(newest, default=0)),
        "board_mb": board.state.size_bytes / 1e6,
        "visitors": float(visitors.now),
    }
