"""When a connection must be replaced."""

import asyncio

import pytest

from app.collector import market_connection
from app.collector.market_connection import MarketConnection
from app.collector.python_binance_fixes import StreamSocket
from app.collector.stream_watch import StreamWatch

NOTICE = "the exchange will close this connection"


@pytest.fixture
def sockets(monkeypatch: pytest.MonkeyPatch) -> list[StreamSocket]:
    """Collect the sockets that connections make; none of them reads."""
    made: list[StreamSocket] = []

    async def error(socket: StreamSocket) -> str:
        made.append(socket)
        return str(await asyncio.Event().wait())

    monkeypatch.setattr(StreamSocket, "error", error)
    return made


def connection() -> MarketConnection:
    """Return a connection whose receiver recognises `NOTICE`."""
    return MarketConnection("ws://127.0.0.1:9", ["btcusdt@aggTrade"], lambda raw, *_receipt: raw == NOTICE)


async def test_a_connection_ends_at_its_greatest_age(sockets: list[StreamSocket]) -> None:
    """Before the exchange closes it."""
    assert await connection().end_reason(max_age_s=0.01) == "age"
    assert len(sockets) == 1


async def test_a_shutdown_notice_ends_the_connection_and_another_frame_does_not(sockets: list[StreamSocket]) -> None:
    """The receiver returns whether a frame was one."""
    one = connection()
    end_reason = asyncio.create_task(one.end_reason(60.0))
    await asyncio.sleep(0.01)
    assert not one.first_frame.is_set()
    sockets[0].json_loads("a trade")
    await asyncio.sleep(0.01)
    assert one.first_frame.is_set()
    assert not end_reason.done()
    sockets[0].json_loads(NOTICE)
    assert await end_reason == "shutdown notice"


async def test_a_connection_without_frames_ends_by_its_idle_timeout(
    sockets: list[StreamSocket], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dead socket still answers pings; the next connection waits twice as long."""
    monkeypatch.setattr("app.collector.stream_watch.FIRST_IDLE_S", 0.02)
    watch = StreamWatch(["btcusdt@aggTrade"])
    one = MarketConnection("ws://127.0.0.1:9", [], lambda *_frame: False, watch)
    assert await one.end_reason(60.0) == "silence"
    assert len(sockets) == 1
    assert watch.idle_limit_s() == 0.04


class StuckWatch(StreamWatch):
    """A watch that finds a stream stuck at each look."""

    def stuck(self, now_s: float) -> dict[str, int]:
        """Return the stream, and how often it was stuck."""
        state = self.states["btcusdt@aggTrade"]
        state.alarms += 1
        return {"btcusdt@aggTrade": state.alarms}


async def test_a_stuck_stream_is_subscribed_again_then_its_connection_ends(
    sockets: list[StreamSocket], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within the messages that the exchange allows."""
    sent: list[str] = []

    async def send(_socket: StreamSocket, text: str) -> None:
        sent.append(text)

    monkeypatch.setattr(StreamSocket, "send", send)
    monkeypatch.setattr(market_connection, "LOOK_EVERY_S", 0.01)
    watch = StuckWatch(["btcusdt@aggTrade"])
    one = MarketConnection("ws://127.0.0.1:9", [], lambda *_frame: False, watch)
    assert await one.end_reason(60.0) == "stuck stream"
    assert len(sockets) == 1
    assert sent == [
        '{"method":"UNSUBSCRIBE","params":["btcusdt@aggTrade"],"id":0}',
        '{"method":"SUBSCRIBE","params":["btcusdt@aggTrade"],"id":1}',
    ]


async def test_an_error_of_the_socket_ends_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its type is the reason."""

    async def error(_socket: StreamSocket) -> str:
        return "ConnectionClosedError"

    monkeypatch.setattr(StreamSocket, "error", error)
    assert await connection().end_reason(60.0) == "ConnectionClosedError"
