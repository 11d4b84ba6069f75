"""The WebSocket routes over real sockets."""

import asyncio
import json
from typing import Any

import httpx
import pytest
import websockets
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from app.emulator import Exchange, synthetic


async def receive(socket: ClientConnection, count: int) -> list[dict[str, Any]]:
    """Return the next messages, decoded."""
    return [json.loads(await asyncio.wait_for(socket.recv(), 10)) for _ in range(count)]


async def ask(socket: ClientConnection, **message: Any) -> dict[str, Any]:
    """Send a control message and return its answer, leaving out stream messages before it."""
    await socket.send(json.dumps(message))
    while True:
        answer = json.loads(await asyncio.wait_for(socket.recv(), 10))
        if "id" in answer and "e" not in answer:
            return dict(answer)


def plain(url: str, **options: Any) -> connect:
    """Connect without a proxy, and read ahead so that closing never waits."""
    return websockets.connect(url, proxy=None, max_queue=None, **options)


async def test_a_combined_stream_names_the_stream_of_each_payload() -> None:
    """Each message carries its stream's name and the documented payload fields."""
    async with Exchange(synthetic(7, 2), speed=20) as exchange:
        names = {"btcusdt@aggTrade", "btcusdt@trade", "ethusdt@bookTicker"}
        async with plain(f"{exchange.ws_url}stream?streams={'/'.join(names)}") as socket:
            messages = await receive(socket, 300)
    assert {message["stream"] for message in messages} == names
    fields = {message["stream"].partition("@")[2]: set(message["data"]) for message in messages}
    assert fields["aggTrade"] == set("eEsapqflTmM")
    assert fields["trade"] == set("eEstpqTmM")
    assert fields["bookTicker"] == set("usbBaA")


async def test_times_are_in_microseconds_for_those_who_ask() -> None:
    """The same trades for two clients of one exchange, and over REST; microseconds are the market's own."""
    async with Exchange(synthetic(7, ticks_per_s=300)) as exchange:
        url = f"{exchange.ws_url}stream?streams=btcusdt@aggTrade"
        async with plain(url) as coarse, plain(f"{url}&timeUnit=MICROSECOND") as fine:
            in_ms, in_us = [[one["data"] for one in await receive(socket, 60)] for socket in (coarse, fine)]
        first_id = in_us[0]["a"]
        async with httpx.AsyncClient(base_url=exchange.rest_url, trust_env=False) as rest:
            rows = [
                (await rest.get(f"/api/v3/aggTrades?symbol=BTCUSDT&fromId={first_id}&limit=50", headers=headers)).json()
                for headers in ({}, {"X-MBX-TIME-UNIT": "MICROSECOND"})
            ]
    fine_of = {one["a"]: one["T"] for one in in_us}
    assert all(one["T"] == fine_of.get(one["a"], one["T"] * 1000) // 1000 for one in in_ms)
    assert len({time % 1000 for time in fine_of.values()}) > 20
    assert [row["T"] for row in rows[0]] == [row["T"] // 1000 for row in rows[1]]
    assert all(row["T"] == fine_of[row["a"]] for row in rows[1] if row["a"] in fine_of)


async def test_a_url_may_name_a_thousand_streams() -> None:
    """All of 1,000 streams named in one URL are subscribed; more than 1,024 are refused."""
    names = [f"s{number:04d}usdt@bookTicker" for number in range(1100)]
    async with Exchange(synthetic(7)) as exchange:
        async with plain(f"{exchange.ws_url}stream?streams={'/'.join(names[:1000])}") as socket:
            assert (await ask(socket, method="LIST_SUBSCRIPTIONS", id=1))["result"] == names[:1000]
        with pytest.raises(InvalidStatus):
            await plain(f"{exchange.ws_url}stream?streams={'/'.join(names)}")


async def test_a_raw_stream_sends_bare_payloads() -> None:
    """`/ws/<stream>` sends bare payloads with consecutive ids."""
    async with Exchange(synthetic(7), speed=100) as exchange, plain(exchange.ws_url + "ws/btcusdt@aggTrade") as socket:
        messages = await receive(socket, 200)
        ids = [message["a"] for message in messages]
        assert ids == list(range(ids[0], ids[0] + 200))
        assert exchange.sent.ids("BTCUSDT")[:200] == ids


async def test_subscriptions_change_while_connected() -> None:
    """SUBSCRIBE, LIST_SUBSCRIPTIONS, properties and UNSUBSCRIBE answer as documented and take effect."""
    async with Exchange(synthetic(7), speed=10) as exchange, plain(exchange.ws_url + "ws") as socket:
        names = ["btcusdt@aggTrade", "btcusdt@bookTicker"]
        assert await ask(socket, method="SUBSCRIBE", params=names, id=1) == {"result": None, "id": 1}
        assert {"aggTrade"} >= {message["e"] for message in await receive(socket, 20) if "e" in message}
        assert (await ask(socket, method="LIST_SUBSCRIPTIONS", id="b"))["result"] == names
        await ask(socket, method="SET_PROPERTY", params=["combined", True], id=3)
        assert (await ask(socket, method="UNSUBSCRIBE", params=names[1:], id=4))["id"] == 4
        assert {message["stream"] for message in await receive(socket, 20)} == {"btcusdt@aggTrade"}


async def test_a_bad_message_is_answered_with_an_error() -> None:
    """The connection stays open, and the answer has the code of the error."""
    codes: dict[str | bytes, int] = {
        "": 3,
        b"\xff\x00": 3,
        "[" * 60_000: 3,
        f'{{"method":"LIST_SUBSCRIPTIONS","id":{10**30}}}': 2,
        '{"method":"SUBSCRIBE","params":["\\ud800"],"id":1}': 3,
        "{": 3,
        "[]": 2,
        '{"id":1}': 2,
        '{"method":"JUMP","id":1}': 2,
        '{"method":"SUBSCRIBE","params":[1],"id":1}': 2,
        '{"method":"SUBSCRIBE","params":7,"id":1}': 2,
        '{"method":"LIST_SUBSCRIPTIONS","id":{}}': 2,
        '{"method":"SET_PROPERTY","params":["combined",3],"id":1}': 1,
        '{"method":"GET_PROPERTY","params":["x"],"id":1}': 0,
    }
    async with Exchange(synthetic(7)) as exchange:
        for text, code in codes.items():
            async with plain(exchange.ws_url + "ws") as socket:
                await socket.send(text)
                assert json.loads(await socket.recv())["error"]["code"] == code
                assert (await ask(socket, method="LIST_SUBSCRIPTIONS", id=1))["result"] == []


async def test_too_many_messages_end_the_connection() -> None:
    """The sixth message within a second is one too many."""
    async with Exchange(synthetic(7)) as exchange, plain(exchange.ws_url + "ws") as socket:
        for number in range(6):
            await socket.send(json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": number}))
        with pytest.raises(ConnectionClosed) as closed:
            await receive(socket, 6)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1008
        assert exchange.clients.closed["flood"] == 1


async def test_a_connection_ends_after_its_lifetime() -> None:
    """The exchange closes it, as Binance does after 24 hours."""
    async with Exchange(synthetic(7), life_s=0.05) as exchange, plain(exchange.ws_url + "ws") as socket:
        with pytest.raises(ConnectionClosed):
            await asyncio.wait_for(socket.recv(), 5)
        assert exchange.clients.closed["lifetime"] == 1


async def test_a_client_without_pongs_is_disconnected() -> None:
    """Pings come at the interval; without a pong the connection ends."""
    async with Exchange(synthetic(7), ping_s=0.05, pong_s=0.1) as exchange:
        address = ("127.0.0.1", exchange.port)
        reader, writer = await asyncio.open_connection(*address)
        writer.write(
            b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        await reader.readuntil(b"\r\n\r\n")
        rest = await asyncio.wait_for(reader.read(), 5)
        writer.close()
    assert rest[0] == 0x89  # a ping came first


async def test_a_slow_client_is_disconnected_and_others_are_not() -> None:
    """A client that does not read loses its connection; another one on the same stream misses nothing."""
    source = synthetic(7, ticks_per_s=3000)
    async with Exchange(source, speed=20, unread_bytes=20_000) as exchange:
        url = exchange.ws_url + "stream?streams=btcusdt@aggTrade/btcusdt@bookTicker"
        reader, writer = await asyncio.open_connection("127.0.0.1", exchange.port, limit=1024)
        writer.write(
            b"GET /stream?streams=btcusdt@aggTrade/btcusdt@bookTicker HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        async with plain(url) as quick:
            ids: list[int] = []
            while not exchange.clients.closed["slow"]:
                ids += [m["data"]["a"] for m in await receive(quick, 200) if m["stream"].endswith("aggTrade")]
            ids += [m["data"]["a"] for m in await receive(quick, 200) if m["stream"].endswith("aggTrade")]
        assert ids == list(range(ids[0], ids[0] + len(ids)))
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(10**9)
        writer.close()


async def test_faults_silence_and_end_a_connection(http: httpx.AsyncClient) -> None:
    """A silence sends nothing and keeps the connection; a disconnect ends it; an unknown fault is refused."""
    async with Exchange(synthetic(7), speed=20) as exchange, plain(exchange.ws_url + "ws/btcusdt@aggTrade") as socket:
        before = (await receive(socket, 5))[-1]["a"]
        url = exchange.rest_url + "/emulator/faults"
        assert (await http.post(url, json={"fault": "silence", "seconds": 0.5})).status_code == 200
        after = before
        while after - before < 30:
            last, after = after, (await receive(socket, 1))[0]["a"]
            if after != last + 1:
                break
        assert after > last + 1
        refused = await http.post(url, json={"fault": "earthquake"})
        assert (refused.status_code, "choose" in refused.json()["msg"]) == (400, True)
        await http.post(url, json={"fault": "disconnect"})
        with pytest.raises(ConnectionClosed):
            await receive(socket, 100_000)


async def test_other_clients_do_not_disturb_a_stream() -> None:
    """While other clients subscribe and leave, a stream has no gap, no duplicate and no disorder."""
    async with Exchange(synthetic(7, 3, ticks_per_s=300), speed=5) as exchange:
        url = exchange.ws_url
        async with plain(url + "ws/btcusdt@aggTrade") as socket:
            for number in range(12):
                name = "btcusdt@aggTrade" if number % 2 else "ethusdt@bookTicker"
                async with plain(f"{url}ws/{name}") as other:
                    await receive(other, 3)
            ids = [message["a"] for message in await receive(socket, 500)]
        assert ids == list(range(ids[0], ids[0] + 500))
