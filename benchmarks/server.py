"""Servers under load: `python -m benchmarks.server KIND PORT`.

KIND is `api`, the API over a board of its own, or `bare`, a Starlette route with the same bytes on the same uvicorn.
"""

import asyncio
import signal
import sys

import msgspec
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.api import create_app, examples
from app.api.encoding import ENCODER
from app.api.server import listening, server_for
from app.board.board import Board
from app.clock import wall_ms
from app.settings import Settings
from benchmarks.load import PATH


def bare() -> Starlette:
    """Return one route that answers what the API's board would."""
    body = ENCODER.encode(examples.board().latest("BTCUSDT"))

    async def answer(_request: Request) -> Response:
        return Response(body, media_type="application/json")

    return Starlette(routes=[Route(PATH, answer)])


async def feed(board: Board) -> None:
    """Give the board a newer second every second, closed now."""
    second = examples.SECOND
    while True:
        await asyncio.sleep(1.0)
        second += 1
        now_ms = wall_ms()
        batch = msgspec.structs.replace(examples.predictions(second), closed_ms=now_ms, sent_ms=now_ms)
        board.update([batch], arrived_ms=now_ms)


async def main(kind: str, port: int) -> None:
    """Serve until SIGTERM."""
    settings = Settings(api_rate_limit=0)
    board = examples.board(settings)
    server = server_for(create_app(settings, board) if kind == "api" else bare())
    tasks = [asyncio.create_task(feed(board))] if kind == "api" else []
    serving = asyncio.create_task(server.serve_until_cancelled(listening("127.0.0.1", port)))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, serving.cancel)
    await asyncio.wait([serving])
    for task in tasks:
        task.cancel()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2])))
