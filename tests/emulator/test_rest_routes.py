"""The REST routes over HTTP; klines, trades and streams must agree."""

import json
import time
from decimal import Decimal
from itertools import groupby, pairwise
from typing import Any

import httpx
import websockets

from app.emulator import Exchange, synthetic

BTC = {"symbol": "BTCUSDT"}


def aggregated(trades: list[dict[str, Any]]) -> dict[int, list[Any]]:
    """Return kline rows by second, computed from aggTrades with decimals."""
    rows = {}
    for second, group in groupby(trades, lambda trade: trade["T"] // 1000):
        members = list(group)
        prices = [Decimal(t["p"]) for t in members]
        bought = [t for t in members if not t["m"]]
        rows[second * 1000] = [
            prices[0], max(prices), min(prices), prices[-1], sum(Decimal(t["q"]) for t in members),
            sum(Decimal(t["q"]) * Decimal(t["p"]) for t in members), len(members),
            sum(Decimal(t["q"]) for t in bought), sum(Decimal(t["q"]) * Decimal(t["p"]) for t in bought),
        ]  # fmt: skip
    return rows


async def test_klines_are_the_aggregation_of_trades(http: httpx.AsyncClient) -> None:
    """Every column of every second equals the aggregation of that second's aggTrades, to the last digit."""
    async with Exchange(synthetic(7)) as exchange:
        start_ms = (int(time.time()) - 7200) * 1000
        trades: list[dict[str, Any]] = []
        query: dict[str, str | int] = {**BTC, "startTime": start_ms, "endTime": start_ms + 99_999, "limit": 1000}
        rows = (await http.get(exchange.rest_url + "/api/v3/klines", params={**query, "interval": "1s"})).json()
        page = (await http.get(exchange.rest_url + "/api/v3/aggTrades", params=query)).json()
        while page and page[0]["T"] < start_ms + 100_000:
            trades += [trade for trade in page if trade["T"] < start_ms + 100_000]
            query = {**BTC, "fromId": page[-1]["a"] + 1, "limit": 1000}
            page = (await http.get(exchange.rest_url + "/api/v3/aggTrades", params=query)).json()
    assert [trade["a"] for trade in trades] == list(range(trades[0]["a"], trades[0]["a"] + len(trades)))
    assert [row[0] for row in rows] == list(range(start_ms, start_ms + 100_000, 1000))
    expected = aggregated(trades)
    for row in rows:
        assert len(row) == 12
        assert row[6] == row[0] + 999
        if row[8]:
            values = [*map(Decimal, row[1:6]), Decimal(row[7]), row[8], *map(Decimal, row[9:11])]
            assert values == expected.pop(row[0])
    assert not expected


async def test_a_second_without_trades_is_a_flat_kline(http: httpx.AsyncClient) -> None:
    """Thin markets have klines for every second, flat at the last price."""
    async with Exchange(synthetic(7, ticks_per_s=0.6)) as exchange:
        query: dict[str, str | int] = {**BTC, "interval": "1s", "limit": 100}
        rows = (await http.get(exchange.rest_url + "/api/v3/klines", params=query)).json()
    assert len(rows) == 100
    for before, row in pairwise(rows):
        if row[8] == 0:
            assert row[1:5] == [before[4]] * 4


async def test_a_minute_is_the_sum_of_its_seconds(http: httpx.AsyncClient) -> None:
    """A one-minute kline has its seconds' count, extremes and volume."""
    async with Exchange(synthetic(7)) as exchange:
        start_ms = (int(time.time()) - 7200) // 60 * 60_000
        query: dict[str, str | int] = {**BTC, "startTime": start_ms, "endTime": start_ms + 59_999}
        url = exchange.rest_url + "/api/v3/klines"
        minute = (await http.get(url, params={**query, "interval": "1m"})).json()
        seconds = (await http.get(url, params={**query, "interval": "1s"})).json()
    assert len(minute) == 1
    assert minute[0][8] == sum(row[8] for row in seconds)
    assert Decimal(minute[0][5]) == sum(Decimal(row[5]) for row in seconds)
    assert Decimal(minute[0][2]) == max(Decimal(row[2]) for row in seconds if row[8])


async def test_rest_serves_the_trades_that_were_streamed(http: httpx.AsyncClient) -> None:
    """Sent trades are found by id with the same fields; trades not sent yet are not found."""
    async with Exchange(synthetic(7, ticks_per_s=600)) as exchange:
        url = exchange.ws_url + "ws/btcusdt@aggTrade"
        async with websockets.connect(url, proxy=None, max_queue=None) as socket:
            streamed = [json.loads(await socket.recv()) for _ in range(20)]
        query = {**BTC, "fromId": streamed[0]["a"], "limit": 1000}
        rows = (await http.get(exchange.rest_url + "/api/v3/aggTrades", params=query)).json()
        now_ms = exchange.clock.now_us() // 1000
    assert rows[:20] == [{key: message[key] for key in "apqflTmM"} for message in streamed]
    assert rows[-1]["T"] <= now_ms


async def test_a_restarted_exchange_has_the_same_past(http: httpx.AsyncClient) -> None:
    """Two runs of one seed give the same trades with the same ids."""
    start_ms = int(time.time() * 1000) - 60_000
    query: dict[str, str | int] = {**BTC, "startTime": start_ms, "endTime": start_ms + 5000}
    answers = []
    for _ in range(2):
        async with Exchange(synthetic(7)) as exchange:
            answers.append((await http.get(exchange.rest_url + "/api/v3/aggTrades", params=query)).json())
    assert answers[0] == answers[1] != []


async def test_trades_are_selected_as_documented(http: httpx.AsyncClient) -> None:
    """Without a start the latest come; `fromId` is inclusive; `limit` is at most 1,000; the far past is empty."""
    async with Exchange(synthetic(7)) as exchange:
        url = exchange.rest_url + "/api/v3/aggTrades"
        latest = (await http.get(url, params=BTC)).json()
        assert len(latest) == 500
        again = (await http.get(url, params={**BTC, "fromId": latest[100]["a"], "limit": 5})).json()
        assert again == latest[100:105]
        many = (await http.get(url, params={**BTC, "fromId": latest[0]["a"] - 3000, "limit": 5000})).json()
        assert len(many) == 1000
        assert (await http.get(url, params={**BTC, "fromId": latest[-1]["a"] + 10**6})).json() == []
        assert (await http.get(url, params={**BTC, "startTime": 0, "endTime": 10**9})).json() == []
        first = (await http.get(url, params={**BTC, "fromId": 0, "limit": 1})).json()
        assert first[0]["T"] // 3_600_000 == 1_704_067_200_000 // 3_600_000


WRONG: list[tuple[str, dict[str, str], int]] = [
    ("klines", {"symbol": "NOPE", "interval": "1s"}, -1121),
    ("klines", {"interval": "1s"}, -1102),
    ("klines", {"symbol": "BTCUSDT"}, -1102),
    ("klines", {"symbol": "BTCUSDT", "interval": "7x"}, -1120),
    ("klines", {"symbol": "BTCUSDT", "interval": "1s", "startTime": "-3"}, -1100),
    ("klines", {"symbol": "BTCUSDT", "interval": "1s", "limit": "0"}, -1130),
    ("aggTrades", {"symbol": "btcusdt"}, -1121),
    ("aggTrades", {"symbol": "BTCUSDT", "fromId": "1", "startTime": "1"}, -1128),
    ("depth", {}, -1102),
    ("exchangeInfo", {"symbols": "x"}, -1100),
    ("ticker/bookTicker", {"symbol": "NOPE"}, -1121),
]


async def test_errors_are_those_of_binance(http: httpx.AsyncClient) -> None:
    """HTTP 400 with Binance's code and a message."""
    async with Exchange(synthetic(7)) as exchange:
        for path, params, code in WRONG:
            answer = await http.get(f"{exchange.rest_url}/api/v3/{path}", params=params)
            assert answer.status_code == 400
            assert answer.json()["code"] == code
            assert answer.json()["msg"]


async def test_the_used_weight_is_counted_and_limited(http: httpx.AsyncClient) -> None:
    """The header has the sum of the weights; beyond 6,000 a minute the answer is 429 with Retry-After."""
    async with Exchange(synthetic(7)) as exchange:
        url = exchange.rest_url + "/api/v3/"
        await http.get(url + "ping")
        answer = await http.get(url + "exchangeInfo")
        assert answer.headers["X-MBX-USED-WEIGHT-1M"] == "21"
        exchange.rest.weight.used = 6000
        refused = await http.get(url + "ping")
    assert refused.status_code == 429
    assert refused.json()["code"] == -1003
    assert 1 <= int(refused.headers["Retry-After"]) <= 60


async def test_the_fault_of_too_many_requests_ends(http: httpx.AsyncClient) -> None:
    """While it is in force every call is refused with 429 and Retry-After."""
    async with Exchange(synthetic(7)) as exchange:
        fault = {"fault": "too_many_requests", "seconds": 0.2}
        await http.post(exchange.rest_url + "/emulator/faults", json=fault)
        refused = await http.get(exchange.rest_url + "/api/v3/ping")
        assert (refused.status_code, refused.headers["Retry-After"]) == (429, "1")
        while (await http.get(exchange.rest_url + "/api/v3/ping")).status_code == 429:
            pass


async def test_exchange_info_quotes_and_depth_exist_for_every_symbol(http: httpx.AsyncClient) -> None:
    """exchangeInfo, bookTicker and depth answer for one symbol and for many."""
    async with Exchange(synthetic(7, 3)) as exchange:
        url = exchange.rest_url + "/api/v3/"
        info = (await http.get(url + "exchangeInfo", params={"symbols": '["BTCUSDT","ETHUSDT"]'})).json()
        assert [(s["symbol"], s["baseAsset"], s["quoteAsset"]) for s in info["symbols"]] == [
            ("BTCUSDT", "BTC", "USDT"),
            ("ETHUSDT", "ETH", "USDT"),
        ]
        assert info["symbols"][0]["filters"][0]["tickSize"] == "0.01000000"
        assert len((await http.get(url + "ticker/bookTicker")).json()) == 3
        one = (await http.get(url + "ticker/bookTicker", params=BTC)).json()
        assert Decimal(one["bidPrice"]) < Decimal(one["askPrice"])
        depth = (await http.get(url + "depth", params=BTC)).json()
        assert Decimal(depth["bids"][0][0]) < Decimal(depth["asks"][0][0])
        assert abs((await http.get(url + "time")).json()["serverTime"] - time.time() * 1000) < 1000
