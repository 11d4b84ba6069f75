"""The dashboard's background thread: it follows the topics, sends heartbeats and serves health.

The thread has a loop of its own, so a page that is being drawn never delays the board.
"""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from app.board.board import Board
from app.dashboard.visitors import Visitors
from app.service import health, heartbeat
from app.service.heartbeat import ProcessStatus
from app.service.kafka_watch import KafkaWatch, watching
from app.settings import Settings

STOPPING_S = 1.0


@contextmanager
def following(settings: Settings, board: Board, visitors: Visitors, status: ProcessStatus) -> Iterator[None]:
    """Follow the topics, send heartbeats and serve health while the body runs; the status gets its reasons."""
    loop, stop = asyncio.new_event_loop(), asyncio.Event()
    thread = threading.Thread(target=loop.run_forever, name="board", daemon=True)
    thread.start()
    work = asyncio.run_coroutine_threadsafe(_follow(settings, board, visitors, status, stop), loop)
    try:
        yield
    finally:
        loop.call_soon_threadsafe(stop.set)
        with suppress(TimeoutError):
            work.result(STOPPING_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(STOPPING_S)


async def _follow(
    settings: Settings, board: Board, visitors: Visitors, status: ProcessStatus, stop: asyncio.Event
) -> None:
    kafka = KafkaWatch(settings)
    status.note = settings.source
    status.stall_reason = lambda: board.stall_reason(kafka.answering_s())
    status.not_ready_reason = board.not_ready_reason
    status.kafka_reason, status.kafka_answering_s = kafka.not_ready_reason, kafka.answering_s
    status.refresh = lambda: _refresh(status, board, visitors)
    async with (
        health.serving(settings.host, settings.metrics_port, status.checks()),
        watching(kafka),
        heartbeat.heartbeats(settings, "dashboard", status),
    ):
        await board.start()
        try:
            await stop.wait()
        finally:
            await board.stop()


def _refresh(status: ProcessStatus, board: Board, visitors: Visitors) -> None:
    status.progress = {
        "second": float(board.newest_second or 0),
        "board_mb": board.size_bytes / 1e6,
        "visitors": float(visitors.now),
    }
