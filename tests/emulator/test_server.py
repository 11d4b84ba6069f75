"""The server: timing, speed, a taken port, and its end."""

import asyncio
import json
import socket

import httpx
import pytest
import websockets

from app.emulator import Exchange, MarketSourceError, serve, synthetic


async def test_events_are_sent_when_they_are_due() -> None:
    """At speed 1 trades arrive within milliseconds of their trade time, never before it."""
    async with Exchange(synthetic(7, ticks_per_s=150)) as exchange:
        async with websockets.connect(exchange.ws_url + "ws/btcusdt@aggTrade", proxy=None, max_queue=None) as stream:
            for _ in range(15):
                message = json.loads(await stream.recv())
                assert message["T"] <= exchange.clock.now_us() // 1000
        assert exchange.sent.late_ms_percentiles()["p50"] < 25


async def test_speed_is_exchange_time_over_wall_time(http: httpx.AsyncClient) -> None:
    """At speed 100 the exchange's clock moves a hundred times as fast as the wall clock."""
    async with Exchange(synthetic(7), speed=100) as exchange:
        state = (await http.get(exchange.rest_url + "/emulator")).json()
        anchor = state["anchor"]
        assert state["speed"] == 100
        assert anchor["wall_ms"] == anchor["exchange_ms"]
        async with websockets.connect(exchange.ws_url + "ws/btcusdt@aggTrade", proxy=None, max_queue=None) as stream:
            times = [json.loads(await stream.recv())["T"] for _ in range(200)]
        assert times == sorted(times)
        assert times[-1] - times[0] > 2000


async def test_a_taken_port_is_named() -> None:
    """The error is one line with the port, its holder, and what to do."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(MarketSourceError, match=f"port {port} on 127.0.0.1 is taken by .*choose another") as caught:
            await serve(synthetic(7), port=port)
    assert "\n" not in str(caught.value)


async def test_serve_ends_when_cancelled() -> None:
    """Cancelling leaves no listener behind."""
    ready: asyncio.Future[Exchange] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(serve(synthetic(7), ready=ready.set_result))
    exchange = await ready
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", exchange.port)
