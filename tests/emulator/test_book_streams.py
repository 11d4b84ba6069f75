"""Book and kline streams over real sockets, beside REST."""

import json
from decimal import Decimal
from typing import Any

import httpx

from app.emulator import Exchange
from tests.exchange import connected, exchange_with, frames, received

BTC = {"symbol": "BTCUSDT"}


class LocalBook:
    """A local book as Binance publishes the recipe: a snapshot of REST, then the differences in order."""

    def __init__(self, snapshot: dict[str, Any]) -> None:
        self.update_id = snapshot["lastUpdateId"]
        self.sides = {"b": dict(snapshot["bids"]), "a": dict(snapshot["asks"])}

    def update(self, diff: dict[str, Any]) -> None:
        """Apply a difference; older ones change nothing."""
        if diff["u"] <= self.update_id:
            return
        assert diff["U"] <= self.update_id + 1
        self.update_id = diff["u"]
        for side, levels in self.sides.items():
            levels.update(diff[side])
            self.sides[side] = {price: size for price, size in levels.items() if Decimal(size)}

    def top(self, count: int) -> tuple[list[list[str]], list[list[str]]]:
        """Return the best levels of each side."""
        bids = sorted(self.sides["b"].items(), key=lambda level: -Decimal(level[0]))
        asks = sorted(self.sides["a"].items(), key=lambda level: Decimal(level[0]))
        return [list(level) for level in bids[:count]], [list(level) for level in asks[:count]]


async def snapshot(http: httpx.AsyncClient, exchange: Exchange, limit: int = 1000) -> dict[str, Any]:
    answer = await http.get(exchange.rest_url + "/api/v3/depth", params={**BTC, "limit": limit})
    return dict(answer.json())


async def test_a_local_book_equals_the_snapshots_of_the_stream(http: httpx.AsyncClient) -> None:
    """A client that follows the recipe has, at each update id, the book that the other stream shows."""
    async with exchange_with(speed=3) as exchange, connected(exchange, "btcusdt@depth@100ms") as socket:
        await frames(socket, 3)
        book, compared = LocalBook(await snapshot(http, exchange)), 0
        async with connected(exchange, "btcusdt@depth20@100ms") as other:
            tops = {top["lastUpdateId"]: top for top in map(_data, await frames(other, 60))}
        for diff in map(_data, await frames(socket, 60)):
            book.update(diff)
            if top := tops.get(diff["u"]):
                assert book.top(20) == (top["bids"], top["asks"])
                compared += 1
    assert compared > 20


def _data(text: str | bytes) -> dict[str, Any]:
    return dict(json.loads(text)["data"])


async def test_rest_depth_has_as_many_levels_as_asked_for(http: httpx.AsyncClient) -> None:
    """Five of the twenty; the weight follows the limit."""
    async with exchange_with() as exchange:
        five, all_levels = await snapshot(http, exchange, 5), await snapshot(http, exchange)
        assert (len(five["bids"]), len(five["asks"]), len(all_levels["bids"])) == (5, 5, 20)
        assert exchange.rest.weight.used == 5 + 50
        quote = (await http.get(exchange.rest_url + "/api/v3/ticker/bookTicker", params=BTC)).json()
    assert Decimal(quote["bidPrice"]) < Decimal(quote["askPrice"])


async def test_klines_of_the_stream_are_those_of_rest(http: httpx.AsyncClient) -> None:
    """Every second once it is over, with first and last trade id."""
    async with exchange_with(speed=20) as exchange:
        klines = await received(exchange, "btcusdt@kline_1s", count=30)
        first_ms = klines[0]["k"]["t"]
        query: dict[str, str | int] = {**BTC, "interval": "1s", "startTime": first_ms, "limit": 30}
        rows = (await http.get(exchange.rest_url + "/api/v3/klines", params=query)).json()
        query = {**BTC, "fromId": klines[0]["k"]["f"], "limit": 1}
        trade = (await http.get(exchange.rest_url + "/api/v3/aggTrades", params=query)).json()[0]
    names = ("t", "o", "h", "l", "c", "v", "T", "q", "n", "V", "Q", "B")
    assert [[one["k"][name] for name in names] for one in klines] == rows
    assert trade["T"] // 1000 * 1000 == first_ms
    assert all(one["E"] >= one["k"]["t"] + 1000 and one["k"]["x"] for one in klines)
    with_trades = [one["k"] for one in klines if one["k"]["n"]]
    assert all(one["L"] - one["f"] + 1 == one["n"] for one in with_trades)
