"""A collector whose symbols are partly dead, against a real emulator; Kafka is not needed to name them."""

import asyncio
from collections.abc import Callable

import pytest

from app.collector import symbol_check
from app.collector.collector import Collector
from app.emulator import synthetic
from app.emulator.fault import Fault
from app.settings import Settings
from tests.exchange import exchange_with


async def until(is_so: Callable[[], bool], timeout_s: float = 15.0) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(timeout_s):
        while not is_so():
            await asyncio.sleep(0.02)


async def test_dead_symbols_are_named_at_the_start_and_when_they_die(monkeypatch: pytest.MonkeyPatch) -> None:
    """The look is every 45 s, here every 0.5 s; the watchdog of streams expects nothing of them."""
    assert symbol_check.CHECK_EVERY_S + 10.0 < 60.0  # with the timeout of REST
    monkeypatch.setattr(symbol_check, "CHECK_EVERY_S", 0.5)
    async with exchange_with(source=synthetic(7, 2)) as exchange:
        collector = Collector(
            Settings(
                kafka_url="127.0.0.1:9", symbols=("BTCUSDT", "ETHUSDT", "NONEUSDT"),
                exchange_ws_url=exchange.ws_url, exchange_rest_url=exchange.rest_url,
            )
        )  # fmt: skip
        task = asyncio.create_task(collector.run())
        await until(lambda: collector.note == "not trading: NONEUSDT (unknown)")
        exchange.faults.inject(Fault("halt", symbols=("ETHUSDT",)))
        await until(lambda: collector.note == "not trading: ETHUSDT (HALT), NONEUSDT (unknown)")
        await until(lambda: collector.progress["not_trading"] == 2)
        assert collector._streams._watches[0].ignored == {"ETHUSDT", "NONEUSDT"}
        assert collector._streams.states()["btcusdt@aggTrade"].last_ms > 0
        task.cancel()
        await asyncio.wait([task])


async def test_a_collector_whose_only_symbol_is_unknown_says_so() -> None:
    """No frame ever comes; it does not wait for one longer than 10 s."""
    async with exchange_with() as exchange:
        collector = Collector(
            Settings(
                kafka_url="127.0.0.1:9", symbols=("NONEUSDT",),
                exchange_ws_url=exchange.ws_url, exchange_rest_url=exchange.rest_url,
            )
        )  # fmt: skip
        task = asyncio.create_task(collector.run())
        await until(lambda: collector.not_ready_reason() == "not trading: NONEUSDT (unknown)")
        task.cancel()
        await asyncio.wait([task])
