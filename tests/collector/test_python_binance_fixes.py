"""What the collector relies on inside python-binance; without a network."""

import asyncio
import logging
from collections.abc import AsyncIterator
from types import SimpleNamespace, TracebackType
from typing import Any, Self

import pytest
import websockets
from binance import AsyncClient
from binance.exceptions import BinanceAPIException
from websockets.exceptions import ConnectionClosedError
from websockets.protocol import State

from app.collector.python_binance_fixes import StreamSocket, block_s, rest_client, used_weight

FRAMES = 500  # five times what python-binance's queue holds


class FakeWebSocket:
    """Stands in for `websockets.connect`: frames, then an error or nothing."""

    def __init__(self, frames: int, *, breaks: bool) -> None:
        self.state = State.OPEN
        self._frames, self._breaks = iter(range(frames)), breaks
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, url: str, **options: Any) -> "FakeWebSocket":
        """Connect."""
        self.calls.append((url, options))
        return self

    async def __aenter__(self) -> Self:
        """Open."""
        return self

    async def recv(self) -> str:
        """Return the next frame."""
        if (number := next(self._frames, None)) is not None:
            return f'{{"number":{number}}}'
        if self._breaks:
            self.state = State.CLOSED
            raise ConnectionClosedError(None, None)
        return str(await asyncio.Event().wait())

    async def close(self) -> None:
        """Close."""


def connects(monkeypatch: pytest.MonkeyPatch, frames: int = 0, *, breaks: bool = False) -> FakeWebSocket:
    """Let the library connect to a fake."""
    fake = FakeWebSocket(frames, breaks=breaks)
    monkeypatch.setattr(websockets, "connect", fake)
    return fake


async def test_every_raw_frame_reaches_the_callback_and_none_the_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library's queue holds 100 messages, and its overflow would end the reader."""
    connects(monkeypatch, FRAMES, breaks=True)
    received: list[str | bytes] = []
    socket = StreamSocket("ws://exchange", ["btcusdt@aggTrade"], received.append)
    await socket.connect()
    assert await socket.error() == "ConnectionClosedError"
    assert received == [f'{{"number":{number}}}' for number in range(FRAMES)]


async def test_frames_received_before_the_close_are_not_dropped() -> None:
    """A loop that was busy finds them and the closed socket at once; the library would look at the socket alone."""

    async def send_and_close(server: websockets.ServerConnection) -> None:
        for number in range(FRAMES):
            await server.send(f'{{"number":{number}}}')
        await server.close()

    received: list[str | bytes] = []
    async with websockets.serve(send_and_close, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        socket = StreamSocket(f"ws://127.0.0.1:{port}", ["x"], received.append)
        await socket.connect()
        await asyncio.wait_for(socket.error(), 10)
        await socket.close()
    assert len(received) == FRAMES


async def test_a_broken_socket_does_not_connect_again_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """The collector chooses the endpoint and the pause."""
    fake = connects(monkeypatch, breaks=True)
    socket = StreamSocket("ws://exchange", ["btcusdt@aggTrade"], lambda _raw: None)
    await socket.connect()
    assert [await socket.error() for _ in range(2)] == ["ConnectionClosedError", "reader ended"]
    assert len(fake.calls) == 1


async def test_the_url_and_the_options_of_websockets_are_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy from the environment, no compression."""
    fake = connects(monkeypatch)
    socket = StreamSocket("ws://exchange", ["btcusdt@aggTrade", "btcusdt@bookTicker"], lambda _raw: None)
    await socket.connect()
    url, options = fake.calls[0]
    assert url == "ws://exchange/stream?streams=btcusdt@aggTrade/btcusdt@bookTicker&timeUnit=MICROSECOND"
    assert (options["proxy"], options["compression"], options["max_queue"]) == (None, None, 4096)
    monkeypatch.setattr(StreamSocket, "TIMEOUT", 0.01)
    await socket.close()


async def test_close_takes_as_long_as_the_readers_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library's own timeout is 10 s."""
    assert StreamSocket.TIMEOUT == 1.0
    monkeypatch.setattr(StreamSocket, "TIMEOUT", 0.05)
    connects(monkeypatch)
    socket = StreamSocket("ws://exchange", ["btcusdt@aggTrade"], lambda _raw: None)
    await socket.connect()
    await asyncio.sleep(0)
    async with asyncio.timeout(0.5):
        await socket.close()


async def test_the_librarys_own_error_lines_are_not_logged() -> None:
    """The collector logs each error once, with the endpoint and the advice."""
    StreamSocket("ws://exchange", ["btcusdt@aggTrade"], lambda _raw: None)
    assert not logging.getLogger("binance.ws.reconnecting_websocket").isEnabledFor(logging.ERROR)


class FakeResponse:
    """One answer over REST."""

    def __init__(self, status: int, text: str, headers: dict[str, str]) -> None:
        self.status, self._text, self.headers = status, text, headers

    async def __aenter__(self) -> Self:
        """Open."""
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Close."""

    async def text(self) -> str:
        """Return the body."""
        return self._text

    async def json(self) -> object:
        """Return the decoded body."""
        return {"serverTime": 5}


@pytest.fixture
async def client() -> AsyncIterator[AsyncClient]:
    """Return a client for a base that is not Binance's."""
    client = rest_client("http://exchange/base/")
    yield client
    await client.close_connection()


def answer(monkeypatch: pytest.MonkeyPatch, client: AsyncClient, response: FakeResponse) -> list[str]:
    """Let every request of a client have this answer; return the list of URLs that are requested."""
    urls: list[str] = []

    def get(url: object, **_options: object) -> FakeResponse:
        urls.append(str(url))
        return response

    monkeypatch.setattr(client.session, "get", get)
    return urls


async def test_requests_go_to_the_given_base_and_their_weight_is_known(
    monkeypatch: pytest.MonkeyPatch, client: AsyncClient
) -> None:
    """`https://api.binance.com` is only the library's default."""
    urls = answer(monkeypatch, client, FakeResponse(200, "{}", {"X-MBX-USED-WEIGHT-1M": "4801"}))
    assert await client.get_server_time() == {"serverTime": 5}
    assert urls == ["http://exchange/base/api/v3/time"]
    assert client.session.headers["X-MBX-TIME-UNIT"] == "MICROSECOND"
    assert used_weight(client) == 4801


@pytest.mark.parametrize(
    ("status", "headers", "wait_s"),
    [(429, {"Retry-After": "7"}, 7.0), (418, {}, 10.0), (400, {"Retry-After": "7"}, 0.0)],
)
async def test_a_block_lasts_as_long_as_the_exchange_says(
    monkeypatch: pytest.MonkeyPatch, client: AsyncClient, status: int, headers: dict[str, str], wait_s: float
) -> None:
    """Ten seconds where it does not say; another error is no block."""
    answer(monkeypatch, client, FakeResponse(status, '{"code":-1003,"msg":"too many"}', headers))
    with pytest.raises(BinanceAPIException) as caught:
        await client.get_server_time()
    assert block_s(caught.value, default_s=10.0) == wait_s


def test_an_answer_without_a_weight_costs_nothing() -> None:
    """Emulators do not count."""
    assert used_weight(SimpleNamespace(response=SimpleNamespace(headers={}))) == 0


def test_an_error_of_another_kind_is_no_block() -> None:
    """A timeout is only a timeout."""
    assert block_s(TimeoutError(), default_s=10.0) == 0.0
