"""The send loop without sockets."""

import asyncio
from collections.abc import Iterable

import pytest

from app.emulator import send_loop as module
from app.emulator.emulator_clock import EmulatorClock
from app.emulator.fault_injection import FaultInjector
from app.emulator.replay import ReplayMarket
from app.emulator.send_loop import SendLoop
from app.emulator.sent_log import SentLog
from app.emulator.subscribers import Subscriber, Subscribers

START_US = 1_700_000_000_000_000


class FakeConnection:
    """A connection that keeps what is written."""

    def __init__(self) -> None:
        self.written: list[bytes] = []

    def write_messages(self, payloads: Iterable[bytes], unread_bytes: int = 0) -> bool:
        """Keep the messages."""
        self.written += payloads
        return True

    def close(self, code: int, reason: str) -> None:
        """Do nothing."""

    def abort(self) -> None:
        """Do nothing."""


def loop_of(market: ReplayMarket, clients: Subscribers) -> tuple[SendLoop, SentLog, EmulatorClock]:
    clock, sent = EmulatorClock(market.span_us[0], 100.0, hold=True), SentLog()
    loop = SendLoop(market, clock, clients, FaultInjector(), sent)
    clients.on_change = loop.reset
    return loop, sent, clock


async def test_every_event_is_sent_once_and_the_end_is_noticed(small_market: ReplayMarket) -> None:
    """The first subscription starts the clock; all events of the stream arrive in order, then the loop is finished."""
    clients = Subscribers(unread_bytes=1000)
    loop, sent, clock = loop_of(small_market, clients)
    running = asyncio.create_task(loop.run())
    assert not clock.started.is_set()
    connection = FakeConnection()
    clients.add(Subscriber(connection, combined=False), ["btcusdt@aggTrade"])
    async with asyncio.timeout(10):
        while not loop.is_finished:
            await asyncio.sleep(0.01)
    running.cancel()
    events = small_market.events(["btcusdt@aggTrade"], 0, 2**60)
    assert connection.written == [event.data for event in events]
    assert sent.ids("BTCUSDT") == [1, 2, 3, 4, 5]


def test_events_of_one_instant_are_not_split(small_market: ReplayMarket, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch ends between instants: a trade and its aggregate are due together and stay together."""
    monkeypatch.setattr(module, "BATCH", 3)
    loop, _, _ = loop_of(small_market, Subscribers(unread_bytes=1000))
    loop._waiting.extend(small_market.events(["btcusdt@trade", "btcusdt@aggTrade"], 0, 2**60))
    assert [len(loop._pop_due(START_US + 10**7)) for _ in range(4)] == [4, 4, 2, 0]


def test_a_reset_makes_unsent_events_again(small_market: ReplayMarket) -> None:
    """What waits is dropped, and events are made from the last sent one on."""
    loop, _, _ = loop_of(small_market, Subscribers(unread_bytes=1000))
    loop._waiting.extend(small_market.events(["btcusdt@trade"], 0, 2**60))
    loop._made_until_us = START_US + 10**7
    assert [event.key for event in loop._pop_due(START_US + 500_000)] == [1, 2]
    loop.reset()
    assert not loop._waiting
    assert loop._made_until_us == START_US + 500_001
