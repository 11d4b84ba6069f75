"""Graceful shutdown: no request fails. Real sockets, real clients."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from app.api.server import listening
from app.service.graceful_server import DRAIN_S, GracefulServer


async def _page(request: Request) -> Response:
    await asyncio.sleep(float(request.query_params.get("takes_s", "0")))
    return PlainTextResponse("ok")


async def _socket(websocket: WebSocket) -> None:
    await websocket.accept()
    while (await websocket.receive())["type"] != "websocket.disconnect":
        pass


@asynccontextmanager
async def _opened() -> AsyncIterator[tuple[str, asyncio.Task[None]]]:
    listener = listening("127.0.0.1", 0)
    site = Starlette(routes=[Route("/", _page), WebSocketRoute("/socket", _socket)])
    serving = asyncio.create_task(
        GracefulServer(site, closing_s=3, log_level="warning").serve_until_cancelled(listener)
    )
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}", serving
    finally:
        serving.cancel()
        await asyncio.wait([serving])


async def test_only_during_shutdown_do_answers_close_the_connection() -> None:
    """A client that keeps its connection asks another replica before the connection is closed."""
    async with _opened() as (address, serving), httpx.AsyncClient(base_url=f"http://{address}") as client:
        assert "connection" not in (await client.get("/")).headers
        serving.cancel()
        await asyncio.sleep(0.1)
        last = await client.get("/")
        assert (last.status_code, last.headers["connection"]) == (200, "close")


async def test_an_answer_under_way_is_finished() -> None:
    """A request before the end is answered, however long it takes."""
    async with _opened() as (address, serving), httpx.AsyncClient(base_url=f"http://{address}") as client:
        asked = asyncio.create_task(client.get("/", params={"takes_s": DRAIN_S + 0.5}))
        await asyncio.sleep(0.2)
        serving.cancel()
        assert (await asked).text == "ok"


async def test_a_websocket_is_closed_with_a_code_that_asks_to_come_again() -> None:
    """1012: the service restarts."""
    async with _opened() as (address, serving), connect(f"ws://{address}/socket", proxy=None) as client:
        serving.cancel()
        with pytest.raises(ConnectionClosed) as closed:
            await client.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1012


async def test_without_connections_it_stops_at_once() -> None:
    """There is nobody to wait for."""
    async with _opened() as (address, serving):
        async with httpx.AsyncClient() as client:
            await client.get(f"http://{address}/")
        began = asyncio.get_running_loop().time()
        serving.cancel()
        await asyncio.wait([serving])
        assert asyncio.get_running_loop().time() - began < DRAIN_S
