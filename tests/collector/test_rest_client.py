"""Requests over REST, without a network."""

import asyncio
import time
from types import SimpleNamespace
from typing import Any

import pytest

from app.collector import rest_client
from app.collector.binance_numbers import MalformedError
from app.collector.rest_client import CONCURRENT_REQUESTS, RestClient, is_rest_error

ROW = {"a": 7, "p": "60000.0", "q": "0.1", "f": 7, "l": 7, "T": 100250, "m": True, "M": True}


class FakeClient:
    """Stands in for python-binance's client of one endpoint."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.error: Exception | None = None
        self.weight, self.delay_s = "1", 0.0
        self.calls: list[dict[str, Any]] = []
        self.is_wrong = [False] * 5  # its clock, by an hour
        self.running = self.most_running = 0

    @property
    def response(self) -> SimpleNamespace:
        """The newest answer."""
        return SimpleNamespace(headers={"X-MBX-USED-WEIGHT-1M": self.weight})

    async def get_aggregate_trades(self, **arguments: Any) -> object:
        """Answer with one trade."""
        self.calls.append(arguments)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        await asyncio.sleep(self.delay_s)
        self.running -= 1
        if self.error:
            raise self.error
        return [ROW]

    async def get_server_time(self) -> object:
        """Answer with a time that is exact only in the fastest round trip."""
        delays_s = (0.03, 0.0, 0.03, 0.03, 0.03)
        delay_s = delays_s[len(self.calls)]
        self.calls.append({})
        await asyncio.sleep(delay_s)
        wrong_ms = 3_600_000 * self.is_wrong[len(self.calls) - 1]
        return {"serverTime": (1_000_000 if delay_s == 0.0 else 1_000_015) + wrong_ms}

    async def close_connection(self) -> None:
        """Close."""
        self.url = "closed"


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> list[FakeClient]:
    """Collect the clients that are made, one for each endpoint."""
    made: list[FakeClient] = []

    def make(url: str) -> FakeClient:
        made.append(FakeClient(url))
        return made[-1]

    monkeypatch.setattr(rest_client, "rest_client", make)
    return made


async def test_trades_are_asked_for_by_their_first_id(clients: list[FakeClient]) -> None:
    """A thousand at once is Binance's limit."""
    rest = RestClient("http://a")
    assert [trade.id for trade in await rest.get_trades("BTCUSDT", 7)] == [7]
    assert clients[0].calls == [{"symbol": "BTCUSDT", "fromId": 7, "limit": 1000}]


async def test_after_a_failed_request_the_next_endpoint_is_used(clients: list[FakeClient]) -> None:
    """And after its failure the first one again."""
    rest = RestClient("http://a,http://b")
    clients[0].error = clients[1].error = OSError("down")
    for _ in range(3):
        with pytest.raises(OSError, match="down"):
            await rest.get_trades("BTCUSDT", 7)
    assert [len(client.calls) for client in clients] == [2, 1]


async def test_requests_wait_while_the_exchange_blocks_them(
    clients: list[FakeClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another request would become a ban."""
    rest = RestClient("http://a")
    monkeypatch.setattr(rest_client, "block_s", lambda _error, default_s: default_s / 50)
    clients[0].error = TimeoutError("429")
    with pytest.raises(TimeoutError):
        await rest.get_trades("BTCUSDT", 7)
    clients[0].error, asked_s = None, time.monotonic()
    await rest.get_trades("BTCUSDT", 7)
    assert time.monotonic() - asked_s > 0.15


async def test_requests_pause_when_the_budget_of_the_minute_is_nearly_used(
    clients: list[FakeClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    """4,800 of 6,000."""
    monkeypatch.setattr(rest_client, "PAUSE_S", 0.2)
    rest = RestClient("http://a")
    for weight, paused in (("4800", False), ("4801", False), ("1", True)):
        clients[0].weight, asked_s = weight, time.monotonic()
        await rest.get_trades("BTCUSDT", 7)
        assert (time.monotonic() - asked_s > 0.15) == paused


async def test_at_most_four_requests_run_at_once(clients: list[FakeClient]) -> None:
    """Ten are asked for."""
    rest = RestClient("http://a")
    clients[0].delay_s = 0.01
    await asyncio.gather(*(rest.get_trades("BTCUSDT", 7) for _ in range(10)))
    assert clients[0].most_running == CONCURRENT_REQUESTS


async def test_the_clock_comes_from_the_shortest_round_trip(clients: list[FakeClient]) -> None:
    """Half a millisecond is added: the server cuts its own off."""
    clock, error_ms = await RestClient("http://a").get_clock(20.0)
    assert (clock.exchange_anchor_ms, clock.rate) == (1_000_000.5, 20.0)
    assert error_ms < 15
    assert len(clients[0].calls) == 5


async def test_a_single_wrong_server_time_is_left_out(clients: list[FakeClient]) -> None:
    """Although its round trip is the shortest."""
    rest = RestClient("http://a")
    clients[0].is_wrong[1] = True
    clock, error_ms = await rest.get_clock(1.0)
    assert clock.exchange_anchor_ms == 1_000_015.5
    assert error_ms > 14, "half of 30 ms, which timers of whole milliseconds may cut by one"


async def test_trades_of_before_the_id_that_was_asked_for_are_refused(clients: list[FakeClient]) -> None:
    """The exchange has numbered its trades anew: its answer is about others."""
    assert clients == []
    with pytest.raises(MalformedError, match="trades of BTCUSDT from id 7 on, but 8 was asked for"):
        await RestClient("http://a").get_trades("BTCUSDT", 8)


async def test_close_closes_every_endpoint(clients: list[FakeClient]) -> None:
    """Also those not in use."""
    await RestClient("http://a,http://b").close()
    assert [client.url for client in clients] == ["closed", "closed"]


def test_only_errors_of_the_exchange_and_the_network_are_tried_again() -> None:
    """A mistake in the code is not."""
    assert is_rest_error(MalformedError("no list"))
    assert is_rest_error(TimeoutError())
    assert not is_rest_error(AttributeError("a typo"))
