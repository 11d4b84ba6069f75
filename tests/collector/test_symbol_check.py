"""Symbols that do not trade are named, against an emulated exchange's `exchangeInfo`."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest
from binance.exceptions import BinanceAPIException

from app.collector.rest_client import RestClient
from app.collector.symbol_check import SymbolCheck
from app.emulator import Exchange, synthetic
from app.emulator.fault import Fault
from app.metrics import TICKS_NOT_TRADING
from tests.exchange import exchange_with

SYMBOLS = tuple(f"S{number:03}USDT" for number in range(40))


@asynccontextmanager
async def checking(
    exchange: Exchange, symbols: tuple[str, ...], changes: list[Mapping[str, str]]
) -> AsyncIterator[SymbolCheck]:
    """Return a check of symbols that collects its changes."""
    rest = RestClient(exchange.rest_url)
    try:
        yield SymbolCheck(symbols, rest, changes.append)
    finally:
        await rest.close()


async def test_unknown_halted_and_delisted_symbols_are_named_and_the_others_are_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One unknown symbol refuses a whole request: it is looked for by halves."""
    market, changes = synthetic(7, ",".join(SYMBOLS)), list[Mapping[str, str]]()
    faults = Fault("halt", symbols=("S007USDT",)), Fault("delist", symbols=("S031USDT",))
    async with (
        exchange_with(*faults, source=market) as exchange,
        checking(exchange, (*SYMBOLS, "NONEUSDT"), changes) as check,
    ):
        await check.check()
        assert check.not_trading == {"S007USDT": "HALT", "S031USDT": "unknown", "NONEUSDT": "unknown"}
        assert check.note == "not trading: NONEUSDT (unknown), S007USDT (HALT), S031USDT (unknown)"
        requests = exchange.faults.requests["rest"]
        await check.check()
        assert exchange.faults.requests["rest"] == requests + 1  # those known to be unknown are left out
    assert requests < 30
    assert changes == [check.not_trading]
    assert TICKS_NOT_TRADING.labels("S007USDT")._value.get() == 1
    assert "S031USDT (unknown)" in "".join(capsys.readouterr())


async def test_a_symbol_that_trades_again_is_no_longer_named() -> None:
    """After a halt; after a delisting when the unknown ones are asked for again."""
    async with (
        exchange_with(source=synthetic(7, 2)) as exchange,
        checking(exchange, ("BTCUSDT", "ETHUSDT"), []) as check,
    ):
        for fault in ("halt", "delist"):
            exchange.faults.inject(Fault(fault, symbols=("ETHUSDT",)))
            await check.check()
            assert list(check.not_trading) == ["ETHUSDT"]
            exchange.faults.end()
            for _ in range(10):
                await check.check()
            assert (check.not_trading, check.note) == ({}, "")


async def test_what_rest_does_not_answer_leaves_everything_as_it_was() -> None:
    """The collector goes on without."""
    async with (
        exchange_with(source=synthetic(7, 2)) as exchange,
        checking(exchange, ("BTCUSDT", "NONEUSDT"), []) as check,
    ):
        await check.check()
        exchange.faults.inject(Fault("ban", 60.0))
        with pytest.raises(BinanceAPIException):
            await check.check()
        assert check.not_trading == {"NONEUSDT": "unknown"}
