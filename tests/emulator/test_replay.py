"""Replay of a recording over real sockets."""

import asyncio
import contextlib
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets

from app.emulator import Exchange, replay

BITCOIN = "spot-btcusdt-20230405.dat.gz"


async def drain(exchange: Exchange, streams: str) -> list[dict[str, Any]]:
    """Return every message of the streams until the recording is over."""
    messages: list[dict[str, Any]] = []
    async with websockets.connect(f"{exchange.ws_url}stream?streams={streams}", proxy=None, max_queue=None) as socket:
        while not exchange.send_loop.is_finished or len(messages) < sum(
            s.count for s in exchange.sent.streams.values()
        ):
            with contextlib.suppress(TimeoutError):  # the recording may end with other streams
                messages.append(json.loads(await asyncio.wait_for(socket.recv(), 0.5)))
    return messages


@pytest.mark.parametrize(
    ("file", "symbols", "count"),
    [(BITCOIN, ["btcusdt"], 3144 + 8015), ("spot-altcoins-20211011.ws.txt", ["nknusdt", "lrcbtc", "blzeth"], 86)],
)
async def test_a_recording_is_served_once_and_in_order(
    recordings: Path, file: str, symbols: list[str], count: int
) -> None:
    """Every recorded trade and quote arrives exactly once, in the order it was received, whichever the format."""
    source = replay([recordings / "binance-ws" / file])
    streams = [f"{symbol}@{kind}" for symbol in symbols for kind in ("aggTrade", "bookTicker")]
    async with Exchange(source, speed=400) as exchange:
        messages = await drain(exchange, "/".join(streams))
    expected = source.events(streams, *(edge + extra for edge, extra in zip(source.span_us, (0, 1), strict=True)))
    assert len(messages) == count
    assert [message["data"] for message in messages] == [json.loads(event.data) for event in expected]


async def test_the_clock_starts_at_the_first_subscription(recordings: Path, http: httpx.AsyncClient) -> None:
    """Before, it shows the recording's start; then the first subscriber gets the first event."""
    source = replay([recordings / "binance-ws" / BITCOIN])
    async with Exchange(source, speed=50) as exchange:
        url = exchange.rest_url
        state = (await http.get(url + "/emulator")).json()
        assert (state["started"], state["anchor"], state["finished"]) == (False, None, False)
        times = {(await http.get(url + "/api/v3/time")).json()["serverTime"] for _ in range(3)}
        assert times == {1680652800004}
        assert (await http.get(url + "/api/v3/aggTrades", params={"symbol": "BTCUSDT"})).json() == []
        async with websockets.connect(exchange.ws_url + "ws/btcusdt@aggTrade", proxy=None, max_queue=None) as socket:
            assert json.loads(await socket.recv())["a"] == 3071245454
            state = (await http.get(url + "/emulator")).json()
    assert state["started"]
    assert state["anchor"]["exchange_ms"] == pytest.approx(1680652800004.107)


async def test_rest_knows_only_trades_already_sent(recordings: Path, http: httpx.AsyncClient) -> None:
    """REST answers with trades that the stream has sent, and with none to come."""
    async with (
        Exchange(replay([recordings / "binance-ws" / BITCOIN]), speed=100) as exchange,
        websockets.connect(exchange.ws_url + "ws/btcusdt@aggTrade", proxy=None, max_queue=None) as socket,
    ):
        last = [json.loads(await socket.recv())["a"] for _ in range(300)][-1]
        query: dict[str, str | int] = {"symbol": "BTCUSDT", "fromId": 3071245454, "limit": 1000}
        rows = (await http.get(exchange.rest_url + "/api/v3/aggTrades", params=query)).json()
        query = {"symbol": "BTCUSDT", "interval": "1s", "limit": 1000}
        klines = (await http.get(exchange.rest_url + "/api/v3/klines", params=query)).json()
        now_ms = exchange.clock.now_us() / 1000
    ids = [row["a"] for row in rows]
    assert ids == sorted(ids)
    assert ids[0] == 3071245454
    assert ids[-1] >= last
    assert len(ids) < 3144
    # The first trade's own time lies in the second before its receipt.
    assert klines[0][0] == 1680652799000
    assert klines[-1][0] <= now_ms


async def test_after_the_end_the_state_is_finished(recordings: Path, http: httpx.AsyncClient) -> None:
    """The state is finished and has counts and ids; sent events are selected by symbol and time."""
    async with Exchange(replay([recordings / "binance-ws" / "spot-altcoins-20211011.ws.txt"]), speed=400) as exchange:
        await drain(exchange, "nknusdt@aggTrade/nknusdt@bookTicker/lrcbtc@aggTrade")
        state = (await http.get(exchange.rest_url + "/emulator")).json()
        sent = (await http.get(exchange.rest_url + "/emulator/sent", params={"symbol": "NKNUSDT", "from": 0})).json()
        none = (await http.get(exchange.rest_url + "/emulator/sent", params={"symbol": "NKNUSDT", "to": 1})).json()
    assert state["finished"]
    assert state["sent"]["NKNUSDT"]["aggTrade"] == {"count": 1, "first_id": 15683430, "last_id": 15683430}
    assert sent["trades"] == [15683430]
    assert len(sent["quotes"]) == 74
    assert none["trades"] == none["quotes"] == []
