"""Symbols that do not trade: halted ones and delisted ones."""

import httpx
import pytest

from app.emulator import synthetic
from app.emulator.fault import Fault
from tests.exchange import connected, exchange_with, frames

NAMES = {"symbols": '["BTCUSDT","ETHUSDT"]'}


@pytest.mark.parametrize("fault", ["halt", "delist"])
async def test_a_symbol_that_does_not_trade_sends_nothing_and_others_go_on(fault: str) -> None:
    """Neither trades nor quotes."""
    async with (
        exchange_with(Fault(fault, symbols=("ETHUSDT",)), source=synthetic(7, 2, ticks_per_s=300)) as exchange,
        connected(exchange, "btcusdt@aggTrade", "ethusdt@aggTrade", "ethusdt@bookTicker") as socket,
    ):
        assert all(b"ethusdt" not in str(frame).encode() for frame in await frames(socket, 100))


async def test_rest_says_which_symbols_do_not_trade(http: httpx.AsyncClient) -> None:
    """A halted one has a status; a delisted one refuses whole requests and is left out of the list of all."""
    async with exchange_with(source=synthetic(7, 2)) as exchange:
        info = f"{exchange.rest_url}/api/v3/exchangeInfo"
        exchange.faults.inject(Fault("halt", symbols=("ETHUSDT",)))
        listed = (await http.get(info, params=NAMES)).json()["symbols"]
        assert [(one["symbol"], one["status"]) for one in listed] == [("BTCUSDT", "TRADING"), ("ETHUSDT", "HALT")]
        exchange.faults.inject(Fault("delist", symbols=("ETHUSDT",)))
        refused = await http.get(info, params=NAMES)
        assert (refused.status_code, refused.json()["code"]) == (400, -1121)
        trades = await http.get(f"{exchange.rest_url}/api/v3/aggTrades", params={"symbol": "ETHUSDT"})
        assert trades.json()["code"] == -1121
        assert [one["symbol"] for one in (await http.get(info)).json()["symbols"]] == ["BTCUSDT"]
        exchange.faults.end()
        assert len((await http.get(info, params=NAMES)).json()["symbols"]) == 2
