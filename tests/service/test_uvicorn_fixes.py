"""The parts of uvicorn that are not its public interface: each test fails when uvicorn changes one of them."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket
from uvicorn.server import ServerState
from websockets.frames import Frame, Opcode

from app.service.uvicorn_fixes import DirectProtocol, EmbeddedServer, gated

HANDSHAKE = (
    b"GET /socket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


class FakeTransport(asyncio.Transport):
    """A transport that remembers what was written."""

    def __init__(self) -> None:
        super().__init__()
        self.written, self.unsent, self.closed, self.aborted = b"", 0, False, False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Add to what was written."""
        self.written += bytes(data)

    def get_write_buffer_size(self) -> int:
        """Return the bytes a test has set."""
        return self.unsent

    def is_closing(self) -> bool:
        """Return whether it was closed."""
        return self.closed

    def close(self) -> None:
        """Close."""
        self.closed = True

    def abort(self) -> None:
        """Close without waiting."""
        self.closed = self.aborted = True


class Connection(DirectProtocol):
    """A connection that keeps its scope."""

    offered: dict[str, object] | None = None

    def on_connect(self, scope: dict[str, object]) -> None:
        """Keep the scope."""
        self.offered = scope


async def _endpoint(websocket: WebSocket) -> None:
    await websocket.accept()
    while (await websocket.receive())["type"] != "websocket.disconnect":
        pass


@asynccontextmanager
async def _connected(request: bytes = HANDSHAKE) -> AsyncIterator[tuple[Connection, FakeTransport]]:
    site = Starlette(routes=[WebSocketRoute("/socket", _endpoint)])
    config = uvicorn.Config(site, ws=Connection, ws_per_message_deflate=False, lifespan="off", log_level="warning")
    config.load()
    connection, transport = Connection(config, uvicorn.server.ServerState(), {}), FakeTransport()
    connection.connection_made(transport)
    connection.data_received(request)
    for _ in range(100):
        await asyncio.sleep(0)
    yield connection, transport
    connection.connection_lost(None)
    await asyncio.gather(*connection.tasks, return_exceptions=True)


async def test_an_accepted_connection_is_offered_with_its_scope() -> None:
    """`handle_connect` leaves `response` and `scope` behind, and the scope has extensions and state."""
    async with _connected() as (connection, transport):
        assert connection.offered is not None
        assert {"extensions", "state", "path"} <= connection.offered.keys()
        assert transport.written.startswith(b"HTTP/1.1 101")
        assert connection.is_open()


async def test_a_refused_handshake_is_not_offered() -> None:
    """Without an upgrade there is no connection."""
    async with _connected(HANDSHAKE.replace(b"Upgrade: websocket\r\n", b"")) as (connection, _transport):
        assert connection.offered is None
        assert not connection.is_open()


async def test_frames_and_texts_are_the_same_bytes() -> None:
    """Frames encoded once for all clients are what the protocol itself would write."""
    async with _connected() as (connection, transport):
        begin = len(transport.written)
        connection.write_texts([b"one"])
        middle = len(transport.written)
        connection.write_frames(Frame(Opcode.TEXT, b"one").serialize(mask=False))
        assert transport.written[begin:middle] == transport.written[middle:] == b"\x81\x03one"


async def test_a_full_connection_accepts_no_writes_until_it_drains() -> None:
    """`writable` follows the transport's high-water mark, and a lost connection ends the wait."""
    async with _connected() as (connection, transport):
        transport.unsent = 7
        assert connection.unsent_bytes() == 7
        connection.pause_writing()
        assert not connection.accepts_writes()
        connection.resume_writing()
        assert connection.accepts_writes()
        connection.pause_writing()
        waiting = asyncio.create_task(connection.wait_writable())
    await asyncio.wait_for(waiting, 1)
    assert not connection.is_open()


async def test_a_close_frame_is_written_once_and_the_connection_cut_off_after_it() -> None:
    """`close_sent` ends uvicorn's own messages, `close_timer` keeps it from closing before the timeout."""
    async with _connected() as (connection, transport):
        connection.write_close(1013, "slow")
        assert transport.written.endswith(b"\x03\xf5slow")
        assert not connection.is_open()
        with pytest.raises(RuntimeError, match=r"after sending 'websocket\.close'"):
            await connection.send({"type": "websocket.send", "text": "late"})
        assert connection.close_timeout > 1
        connection.abort_after(0.01)
        assert connection.close_timer is not None
        await asyncio.sleep(0.05)
        assert transport.aborted


async def test_an_embedded_server_leaves_the_signals_alone_and_counts_its_connections() -> None:
    """`capture_signals` is what replaces the handlers, and `server_state.connections` holds the protocols."""
    before = signal.getsignal(signal.SIGTERM)
    server = EmbeddedServer(uvicorn.Config(Starlette(), port=0, log_level="warning", lifespan="off"))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    assert signal.getsignal(signal.SIGTERM) is before
    assert not server.has_connections()
    _reader, writer = await asyncio.open_connection("127.0.0.1", server.servers[0].sockets[0].getsockname()[1])
    async with asyncio.timeout(5):
        while not server.has_connections():
            await asyncio.sleep(0.01)
    writer.close()
    server.should_exit = True
    await asyncio.wait_for(serving, 5)


@pytest.mark.parametrize(("verdict", "ends"), [("pass", False), ("drop", False), ("abort", True)])
async def test_a_gate_sees_each_request_first(verdict: str, ends: bool) -> None:
    """It lets the request through, swallows it with everything after it, or cuts the connection off."""
    seen: list[bytes] = []

    def gate(data: bytes) -> str:
        seen.append(data)
        return verdict

    config = uvicorn.Config(Starlette(), http=gated(gate), log_config=None)
    config.load()
    protocol = gated(gate)(config, ServerState(), {})
    transport = FakeTransport()
    protocol.connection_made(transport)
    request = b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n"
    protocol.data_received(request)
    protocol.data_received(b"GET")
    await asyncio.sleep(0.05)
    assert seen == [request] if verdict == "drop" else seen == [request, b"GET"]
    assert transport.aborted is ends
    assert transport.written.startswith(b"HTTP/1.1 404") is (verdict == "pass")
