"""The WebSocket, on a real server."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx
import pytest
from prometheus_client import REGISTRY
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from app.api import client as clients_of
from app.api import create_app, examples, stream
from app.api.examples import SECOND, predictions
from app.api.server import listening, server_for
from app.board.board import Board
from app.settings import Settings

MANY = tuple(f"SYMBOL{number:03}" for number in range(200))


@asynccontextmanager
async def served(board: Board, **settings: Any) -> AsyncIterator[str]:
    """Serve a board on a free port; yields host:port."""
    listener = listening("127.0.0.1", 0)
    server = server_for(create_app(Settings(**{"api_rate_limit": 0, **settings}), board))
    task = asyncio.create_task(server.serve_until_cancelled(listener))
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_a_client_gets_a_hello_and_then_every_new_second() -> None:
    """The present comes first, then one update a second with its stamps."""
    board = examples.board()
    async with served(board) as address, connect(f"ws://{address}/v1/stream?symbols=btcusdt", proxy=None) as client:
        hello = json.loads(await client.recv())
        assert (hello["type"], hello["second"], hello["tensorflow"]) == ("hello", SECOND, "champion")
        board.update([predictions(SECOND + 1)])
        update = json.loads(await client.recv())
        assert (update["type"], update["second"]) == ("update", SECOND + 1)
        assert update["closed_ms"] == examples.closed_ms(SECOND + 1)
        assert update["sent_ms"] > update["closed_ms"]
        assert update["predictions"][0]["forecasts"][0]["horizon_s"] == 5


async def test_a_client_gets_its_symbols_only() -> None:
    """Another symbol's second is no message; all symbols of one second are one message."""
    board = examples.board()
    board.update([predictions(SECOND, ("ETHUSDT",), partition=1)])
    async with (
        served(board) as address,
        connect(f"ws://{address}/v1/stream?symbols=ETHUSDT", proxy=None) as one,
        connect(f"ws://{address}/v1/stream", proxy=None) as all_of_them,
    ):
        await one.recv()
        await all_of_them.recv()
        board.update([predictions(SECOND + 1)])
        board.update([predictions(SECOND + 1, ("ETHUSDT",), partition=1)])
        mine, everything = json.loads(await one.recv()), json.loads(await all_of_them.recv())
        assert [row["symbol"] for row in mine["predictions"]] == ["ETHUSDT"]
        assert {row["symbol"]: row["second"] for row in everything["predictions"]} == {
            "BTCUSDT": SECOND + 1,
            "ETHUSDT": SECOND + 1,
        }


async def test_a_missing_partition_delays_no_update() -> None:
    """A subscription over two partitions gets the second although only one of them came."""
    board = examples.board()
    board.update([predictions(SECOND, ("ETHUSDT",), partition=1)])
    async with served(board) as address, connect(f"ws://{address}/v1/stream", proxy=None) as client:
        await client.recv()
        board.update([predictions(SECOND + 1)])
        update = json.loads(await asyncio.wait_for(client.recv(), 2))
        assert update["second"] == SECOND + 1


async def test_an_update_is_encoded_once_for_all_clients_of_a_subscription(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten clients of one subscription cost one encoding."""
    board = examples.board()
    made: list[str] = []

    def message(_hub: stream.Hub, kind: str, _subscription: stream.Subscription) -> clients_of.Update:
        made.append(kind)
        return clients_of.Update(b"{}")

    monkeypatch.setattr(stream.Hub, "_message", message)
    async with served(board) as address:
        clients = [await connect(f"ws://{address}/v1/stream?symbols=BTCUSDT", proxy=None) for _ in range(10)]
        for client in clients:
            await client.recv()
        board.update([predictions(SECOND + 1)])
        for client in clients:
            await client.recv()
            await client.close()
    assert made.count("update") == 1


@pytest.mark.parametrize(
    ("query", "status", "said"), [("symbols=DOGE&api_key=k", 404, "known are: BTCUSDT"), ("", 401, "send a key")]
)
async def test_a_handshake_is_refused_with_a_problem(query: str, status: int, said: str) -> None:
    """Unknown symbols and missing keys are refused before the connection opens."""
    async with served(examples.board(), api_keys="k") as address:
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"ws://{address}/v1/stream?{query}", proxy=None)
        assert refused.value.response.status_code == status
        assert said in (refused.value.response.body or b"").decode()


@pytest.mark.parametrize("how", [{"additional_headers": {"X-API-Key": "k"}}, {}])
async def test_a_key_opens_the_stream_as_header_or_in_the_query(how: dict[str, Any]) -> None:
    """Browsers cannot set headers on a WebSocket."""
    query = "" if how else "?api_key=k"
    async with (
        served(examples.board(), api_keys="k") as address,
        connect(f"ws://{address}/v1/stream{query}", proxy=None, **how) as client,
    ):
        assert json.loads(await client.recv())["type"] == "hello"


async def test_clients_are_counted_and_closed_with_1012_when_the_server_stops() -> None:
    """Status knows how many listen; a stopping server closes with 1012, so that they reconnect."""
    board = examples.board()
    async with served(board) as address:
        client = await connect(f"ws://{address}/v1/stream", proxy=None)
        await client.recv()
        async with httpx.AsyncClient(trust_env=False) as asker:
            status = (await asker.get(f"http://{address}/v1/status")).json()
        assert status["api"]["websockets"] == 1
    with pytest.raises(ConnectionClosed) as closed:
        await client.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1012


async def test_a_client_that_reads_nothing_is_closed_and_the_others_lose_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its oldest updates are dropped, then it gets 1013; a healthy client gets every second."""
    monkeypatch.setattr(clients_of, "STALLED_S", 0.5)
    board = examples.board()
    board.update([predictions(SECOND, MANY, partition=1)])
    async with served(board, websocket_queue=4) as address:
        host, port = address.split(":")
        stuck = socket.socket()
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stuck.connect((host, int(port)))
        stuck.sendall(
            b"GET /v1/stream HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        async with connect(f"ws://{address}/v1/stream?symbols=SYMBOL007", proxy=None) as healthy:
            await healthy.recv()
            seconds = []
            for second in range(SECOND + 1, SECOND + 60):
                board.update([predictions(second, MANY, partition=1)])
                seconds.append(json.loads(await asyncio.wait_for(healthy.recv(), 5))["second"])
                await asyncio.sleep(0.02)
            async with httpx.AsyncClient(trust_env=False) as asker:
                api = (await asker.get(f"http://{address}/v1/status")).json()["api"]
        assert seconds == list(range(SECOND + 1, SECOND + 60))
        assert (api["websockets"], api["dropped"] > 0) == (1, True)
        received = await asyncio.to_thread(_drain, stuck)
        assert received.endswith(b"updates dropped")
        assert int.from_bytes(received.rsplit(b"cannot keep up", 1)[0][-2:], "big") == 1013


def _drain(sock: socket.socket) -> bytes:
    sock.settimeout(5)
    received = b""
    with sock:
        while not received.endswith(b"updates dropped") and (part := sock.recv(1 << 20)):
            received += part
    return received


async def test_a_backlog_is_not_pushed_second_by_second() -> None:
    """A worker works off an hour at a hundred seconds a second: a client sees where it is, once a second, as stale."""
    board = examples.board()
    now_ms = examples.closed_ms(SECOND + 3600)
    board._now_ms = lambda: now_ms
    async with served(board) as address, connect(f"ws://{address}/v1/stream", proxy=None) as client:
        await client.recv()
        for second in range(SECOND + 1, SECOND + 301):
            board.update([predictions(second)])
            await asyncio.sleep(0.005)
        board.update([predictions(SECOND + 3600)])
        seen: list[int] = []
        while not seen or seen[-1] < SECOND + 3600:
            message = json.loads(await asyncio.wait_for(client.recv(), 5))
            seen.append(message["second"])
            assert message["predictions"][0]["stale"] == (message["second"] < SECOND + 3600)
    assert 2 <= len(seen) <= 6
    assert seen == sorted(seen)


def _count(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


@asynccontextmanager
async def _counted(name: str, **labels: str) -> AsyncIterator[None]:
    """Assert that the body counts once, within two seconds."""
    before, deadline = _count(name, **labels), time.monotonic() + 2
    yield
    while _count(name, **labels) == before and time.monotonic() < deadline:
        await asyncio.sleep(0.01)
    assert _count(name, **labels) == before + 1


REQUESTS, ENDED = "btc_api_requests_total", "btc_api_sessions_ended_total"


@pytest.mark.parametrize(("query", "status"), [("", "101"), ("?symbols=DOGE", "404")])
async def test_a_handshake_is_counted_by_its_status(query: str, status: str) -> None:
    """As a request of its route: opened is 101."""
    async with (
        served(examples.board()) as address,
        _counted(REQUESTS, route="/v1/stream", method="GET", status=status),
    ):
        with suppress(InvalidStatus):
            async with connect(f"ws://{address}/v1/stream{query}", proxy=None):
                pass


async def test_a_handshake_that_fails_is_counted_as_our_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client sees 500."""
    monkeypatch.setattr(stream, "subscription_of", lambda *_given: 1 / 0)
    async with (
        served(examples.board()) as address,
        _counted(REQUESTS, route="/v1/stream", method="GET", status="500"),
    ):
        with pytest.raises(InvalidStatus):
            await connect(f"ws://{address}/v1/stream", proxy=None)


async def test_a_session_that_its_client_ends_is_no_failure() -> None:
    """Closed in order, or cut off."""
    async with served(examples.board()) as address:
        async with _counted(ENDED, reason="client"), connect(f"ws://{address}/v1/stream", proxy=None):
            pass
        async with _counted(ENDED, reason="client"):
            client = await connect(f"ws://{address}/v1/stream", proxy=None)
            client.transport.abort()


async def test_a_session_that_a_restart_ends_is_counted_as_such() -> None:
    """It is announced with 1012, and the next replica takes the client."""
    async with _counted(ENDED, reason="restart"), served(examples.board()) as address:
        client = await connect(f"ws://{address}/v1/stream", proxy=None)
        await client.recv()


@pytest.mark.parametrize("broken", ["_message", "send"])
async def test_a_session_that_we_break_ends_with_1011_and_counts_as_our_failure(
    monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    """The state cannot be encoded, or an update cannot be sent; no client of it is left behind."""
    board = examples.board()

    async def failing(_client: object) -> None:
        raise ZeroDivisionError

    async with served(board) as address:
        if broken == "_message":
            monkeypatch.setattr(stream.Hub, "_message", lambda *_given: 1 / 0)
        else:
            monkeypatch.setattr(clients_of.WebSocketClient, "run", failing)
        async with _counted(ENDED, reason="error"):
            client = await connect(f"ws://{address}/v1/stream", proxy=None)
            await asyncio.wait_for(client.wait_closed(), 5)
            assert client.close_code == 1011
        assert _count("btc_api_websockets") == 0
