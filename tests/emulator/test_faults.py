"""Every fault over real sockets."""

import asyncio
import json
import time
from itertools import pairwise
from typing import Any

import httpx
import pytest
import websockets
from websockets.exceptions import ConnectionClosed, InvalidStatus

from app.emulator import Exchange, synthetic
from app.emulator.fault import Fault
from tests.exchange import connected, exchange_with, frames, received

TRADES, QUOTES = "btcusdt@aggTrade", "btcusdt@bookTicker"


async def ids_with(*faults: Fault, count: int = 60) -> list[int]:
    async with exchange_with(*faults) as exchange:
        return [trade["a"] for trade in await received(exchange, TRADES, count=count)]


async def test_skipped_ids_leave_a_hole() -> None:
    """Three trades never arrive, everything else does."""
    ids = await ids_with(Fault("skip", count=3, share=0.5, seed=2))
    assert sum(later - before - 1 for before, later in pairwise(ids)) <= 3
    assert len(set(ids)) == len(ids)
    assert ids[-1] - ids[0] + 1 > len(ids)


async def test_duplicates_come_as_often_as_asked() -> None:
    """Five trades come three times each."""
    ids = await ids_with(Fault("duplicate", count=5, copies=3))
    assert ids[:15] == [key for key in range(ids[0], ids[0] + 5) for _ in range(3)]
    assert ids[15:] == list(range(ids[0] + 5, ids[0] + 50))


async def test_out_of_order_loses_nothing() -> None:
    """Each window arrives shuffled."""
    ids = await ids_with(Fault("reorder", window=5), count=50)
    assert sorted(ids) == list(range(min(ids), min(ids) + 50)) != ids


@pytest.mark.parametrize("by", [10_000, -10_000])
async def test_one_damaged_id_stands_out(by: int) -> None:
    """Too high or too low; its neighbours are right."""
    ids = await ids_with(Fault("damage_id", count=1, by=by))
    assert ids[0] - by + 1 == ids[1]
    assert ids[1:] == list(range(ids[1], ids[1] + 59))


async def test_ids_restart_lower_in_streams_and_rest(http: httpx.AsyncClient) -> None:
    """REST gives the same trades under the same ids, and those before under theirs."""
    async with exchange_with() as exchange:
        before = [trade["a"] for trade in await received(exchange, TRADES, count=10)]
        exchange.faults.inject(Fault("restart_ids"))
        trades = await received(exchange, TRADES, count=20)
        url = exchange.rest_url + "/api/v3/aggTrades"
        rows = (await http.get(url, params={"symbol": "BTCUSDT", "fromId": 1, "limit": 20})).json()
        old = (await http.get(url, params={"symbol": "BTCUSDT", "fromId": before[0], "limit": 5})).json()
    assert [trade["a"] for trade in trades] == list(range(trades[0]["a"], trades[0]["a"] + 20))
    assert trades[0]["a"] < 1000 < before[0]
    by_id = {row["a"]: row["p"] for row in rows}
    assert all(by_id.get(trade["a"], trade["p"]) == trade["p"] for trade in trades)
    assert set(by_id) & {trade["a"] for trade in trades}
    assert [row["a"] for row in old] == before[:5]


async def test_a_stall_is_silent_and_ends() -> None:
    """One stream stops while the other goes on over the same connection."""
    stall = Fault("silence", 0.5, streams=("aggTrade",))
    async with exchange_with(stall) as exchange, connected(exchange, TRADES, QUOTES) as socket:
        names = [json.loads(frame)["stream"] for frame in await frames(socket, 300)]
    first = names.index(TRADES)
    assert set(names[:first]) == {QUOTES}
    assert first > 20


async def test_a_burst_is_late_and_complete() -> None:
    """Half a second of trades arrives at once."""
    async with exchange_with(Fault("burst", 0.5)) as exchange, connected(exchange, TRADES) as socket:
        begun = time.monotonic()
        ids = [json.loads(frame)["data"]["a"] for frame in await frames(socket, 20)]
        assert time.monotonic() - begun > 0.3
    assert ids == list(range(ids[0], ids[0] + 20))


async def test_corrupt_frames_are_not_trades() -> None:
    """Damaged text in a frame that is whole as a WebSocket message."""
    async with exchange_with(Fault("corrupt", count=20)) as exchange, connected(exchange, TRADES) as socket:
        texts = await frames(socket, 40)
    assert not any(_is_trade(text) for text in texts[:20])
    assert all(_is_trade(text) for text in texts[20:])


def _is_trade(text: str | bytes) -> bool:
    try:
        return isinstance(json.loads(text)["data"]["a"], int)
    except (ValueError, KeyError, TypeError):
        return False


async def test_a_clock_step_shows_in_rest_and_events(http: httpx.AsyncClient) -> None:
    """serverTime, E and T are an hour ahead until the fault ends."""
    async with exchange_with(Fault("clock", by_s=3600)) as exchange:
        ahead_ms = 3_600_000
        trade = (await received(exchange, TRADES, count=1))[0]
        for shown in (await server_time(http, exchange), trade["E"], trade["T"]):
            assert abs(shown - exchange.clock.now_us() / 1000 - ahead_ms) < 2000
        query: dict[str, str | int] = {"symbol": "BTCUSDT", "fromId": trade["a"], "limit": 1}
        row = (await http.get(exchange.rest_url + "/api/v3/aggTrades", params=query)).json()[0]
        assert trade["T"] - row["T"] == ahead_ms
        await http.delete(exchange.rest_url + "/emulator/faults")
        assert abs(await server_time(http, exchange) - exchange.clock.now_us() / 1000) < 2000


async def server_time(http: httpx.AsyncClient, exchange: Exchange) -> int:
    return int((await http.get(exchange.rest_url + "/api/v3/time")).json()["serverTime"])


async def test_a_disconnect_ends_the_connections_of_its_symbols() -> None:
    """Without a closing handshake; others go on, and a new connection is accepted."""
    source = synthetic(7, 2, ticks_per_s=300)
    async with (
        exchange_with(source=source) as exchange,
        connected(exchange, TRADES) as hit,
        connected(exchange, "ethusdt@aggTrade") as spared,
    ):
        exchange.faults.inject(Fault("disconnect", symbols=("BTCUSDT",)))
        with pytest.raises(ConnectionClosed) as closed:
            await frames(hit, 100_000)
        assert closed.value.rcvd is None
        await frames(spared, 100)
        assert len(await received(exchange, TRADES, count=5)) == 5


async def test_a_shutdown_is_announced_and_new_connections_get_it_too() -> None:
    """The notice comes first, the end after the grace time; with `seconds` also for who connects meanwhile."""
    async with exchange_with(Fault("server_shutdown", 30, grace_s=0.3)) as exchange:
        for _ in range(2):
            async with connected(exchange, TRADES) as socket:
                notice = json.loads((await frames(socket, 1))[0])
                assert (notice["e"], notice["E"] > 10**12) == ("serverShutdown", True)
                with pytest.raises(ConnectionClosed) as closed:
                    await frames(socket, 100_000)
                assert closed.value.rcvd is not None
                assert closed.value.rcvd.code == 1012


async def test_a_connection_is_cut_at_its_age() -> None:
    """Also one that is older than the age when the fault begins."""
    async with exchange_with() as exchange, connected(exchange, TRADES) as old:
        await asyncio.sleep(0.1)
        exchange.faults.inject(Fault("max_age", age_s=0.05))
        with pytest.raises(ConnectionClosed):
            await frames(old, 100_000)
        async with connected(exchange, TRADES) as new:
            begun = time.monotonic()
            with pytest.raises(ConnectionClosed):
                await frames(new, 100_000)
            assert time.monotonic() - begun < 5


@pytest.mark.parametrize(("status", "retry_after"), [(429, "20"), (418, "20"), (503, None)])
async def test_a_handshake_is_refused_so_often(status: int, retry_after: str | None) -> None:
    """With Retry-After where it is a rate limit; then connections are accepted again."""
    options: dict[str, Any] = {"retry_after_s": 20} if retry_after else {}
    async with exchange_with(Fault("refuse_handshake", count=2, status=status, **options)) as exchange:
        for _ in range(2):
            with pytest.raises(InvalidStatus) as refused:
                await websockets.connect(exchange.ws_url + "ws/" + TRADES, proxy=None)
            assert refused.value.response.status_code == status
            assert refused.value.response.headers.get("Retry-After") == retry_after
        assert len(await received(exchange, TRADES, count=3)) == 3


async def test_a_black_hole_accepts_and_says_nothing(http: httpx.AsyncClient) -> None:
    """Neither handshake nor REST is answered; the emulator's own routes are, and end it."""
    async with exchange_with(Fault("black_hole")) as exchange:
        with pytest.raises(TimeoutError):
            await websockets.connect(exchange.ws_url + "ws/" + TRADES, proxy=None, open_timeout=0.3)
        with pytest.raises(httpx.ReadTimeout):
            await http.get(exchange.rest_url + "/api/v3/ping", timeout=0.3)
        assert (await http.get(exchange.rest_url + "/emulator/faults")).json()[0]["touched"] == 2
        assert (await http.get(exchange.rest_url + "/emulator")).json()["requests"] == {"streams": 1, "rest": 1}
        assert (await http.delete(exchange.rest_url + "/emulator/faults/0")).status_code == 200
        assert (await http.get(exchange.rest_url + "/api/v3/ping")).json() == {}


async def test_rest_is_slow_unreachable_and_banned_by_turns(http: httpx.AsyncClient) -> None:
    """Each fault is over after its time or its number of requests."""
    async with exchange_with(Fault("slow_rest", delay_s=0.3, count=1)) as exchange:
        ping = exchange.rest_url + "/api/v3/ping"
        begun = time.monotonic()
        assert (await http.get(ping)).json() == {}
        assert time.monotonic() - begun > 0.29
        exchange.faults.inject(Fault("unreachable_rest", 0.3))
        with pytest.raises(httpx.TransportError):
            await http.get(ping)
        await asyncio.sleep(0.3)
        exchange.faults.inject(Fault("ban", count=1, retry_after_s=120))
        refused = await http.get(ping)
        assert (refused.status_code, refused.headers["Retry-After"]) == (418, "120")
        assert (await http.get(ping)).json() == {}


async def test_faults_are_injected_listed_and_ended_by_api(http: httpx.AsyncClient) -> None:
    """A list goes in as a whole or not at all; each fault has a number."""
    async with exchange_with() as exchange:
        url = exchange.rest_url + "/emulator/faults"
        wrong = [{"fault": "silence"}, {"fault": "silence", "symbols": ["NOPE"]}]
        assert (await http.post(url, json=wrong)).status_code == 400
        assert (await http.get(url)).json() == []
        right = [{"fault": "silence", "symbols": ["BTCUSDT"]}, {"fault": "ban", "after_s": 60.0}]
        assert (await http.post(url, json=right)).json() == {"numbers": [0, 1]}
        listed = (await http.get(url)).json()
        assert [one["fault"] for one in listed] == right
        assert [one["in_force"] for one in listed] == [True, False]
        assert (await http.delete(url + "/0")).json() == {}
        assert (await http.delete(url + "/7")).status_code == 404
        assert not (await http.get(url)).json()[0]["in_force"]
