"""When a connection must be replaced."""

import asyncio

import pytest

from app.collector.market_connection import LONGEST_IDLE_S, SHORTEST_IDLE_S, IdleTimeout, MarketConnection
from app.collector.python_binance_fixes import StreamSocket

NOTICE = "the exchange will close this connection"


def after_frames_every(gap_s: float, times: int = 200) -> IdleTimeout:
    """Return the timeout of a connection with frames at a steady rate from second 0 on."""
    idle = IdleTimeout(0.0)
    for at in range(1, times + 1):
        idle.update(at * gap_s)
    return idle


def test_a_busy_connection_is_dead_after_five_seconds_without_a_frame() -> None:
    """Thirty frames a second."""
    idle = after_frames_every(1 / 30)
    assert idle.limit_s == SHORTEST_IDLE_S
    assert idle.left_s(idle.last_s + 4.0) == 1.0
    assert idle.left_s(idle.last_s + 5.1) == 0.0


def test_a_quiet_market_may_be_without_a_frame_for_fifty_usual_gaps() -> None:
    """Two frames a second."""
    assert round(after_frames_every(0.5).limit_s, 6) == 25.0


def test_no_connection_may_be_without_a_frame_for_more_than_a_minute() -> None:
    """A new connection costs little."""
    assert after_frames_every(30.0).limit_s == LONGEST_IDLE_S


def test_a_connection_without_any_frame_has_five_seconds() -> None:
    """Its first frame is overdue."""
    assert IdleTimeout(100.0).left_s(103.0) == 2.0


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
    """A dead socket still answers pings."""
    monkeypatch.setattr("app.collector.market_connection.SHORTEST_IDLE_S", 0.02)
    assert await connection().end_reason(60.0) == "silence"
    assert len(sockets) == 1


async def test_an_error_of_the_socket_ends_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its type is the reason."""

    async def error(_socket: StreamSocket) -> str:
        return "ConnectionClosedError"

    monkeypatch.setattr(StreamSocket, "error", error)
    assert await connection().end_reason(60.0) == "ConnectionClosedError"
