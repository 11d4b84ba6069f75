"""The exchange's clock is read over REST, learnt from trades, and published."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import stamina

from app.clock import Clock, steady_ms
from app.collector import clock_sync
from app.collector.clock_readings import ClockReading
from app.collector.clock_sync import ClockSync
from app.collector.rest_client import RestClient
from app.metrics import TICKS_CLOCK_DOUBTS
from app.settings import Settings

LEAD_MS = 5_000.0  # of the exchange's clock


class FakeRest(RestClient):
    """An exchange whose REST API fails some times and then shows its clock, wrong by `error_ms`."""

    def __init__(self, failures: float = 0, error_ms: float = 0.0) -> None:
        self.failures, self.error_ms, self.reads, self.rates = failures, error_ms, 0, list[float]()

    async def get_clock(self, rate: float) -> ClockReading:
        """Return the clock."""
        self.reads += 1
        self.rates.append(rate)
        if self.reads <= self.failures:
            raise TimeoutError
        now_ms = steady_ms()
        return ClockReading(Clock(now_ms + LEAD_MS + self.error_ms, now_ms, rate), 1.0)


@asynccontextmanager
async def running(rest: FakeRest, speed: float = 1.0) -> AsyncIterator[tuple[ClockSync, asyncio.Queue[Clock]]]:
    """Run a synchronisation; yield it and the clocks that it publishes."""
    clocks, sync = asyncio.Queue[Clock](), ClockSync(Settings(speed=speed), rest)
    task = asyncio.create_task(sync.run(clocks.put_nowait))
    try:
        yield sync, clocks
    finally:
        task.cancel()
        await asyncio.wait([task])


def receive_trades(sync: ClockSync) -> None:
    """Receive three trades that were 20 ms in transit."""
    now_ms = steady_ms()
    for age_ms in (200.0, 100.0, 0.0):
        sync.update_trade("BTCUSDT", int(now_ms + LEAD_MS - age_ms - 20.0), now_ms - age_ms)


async def lead_ms(clocks: "asyncio.Queue[Clock]") -> float:
    """Return how far the next clock is ahead of the wall clock."""
    clock = await asyncio.wait_for(clocks.get(), 5.0)
    now_ms = steady_ms()
    return clock.exchange_ms(now_ms) - now_ms


async def test_rest_is_read_at_intervals_at_the_replays_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock follows from the first reading on."""
    monkeypatch.setattr(clock_sync, "READ_EVERY_S", 0.01)
    monkeypatch.setattr(clock_sync, "PUBLISH_EVERY_S", 0.01)
    rest = FakeRest()
    async with running(rest, speed=20.0) as (_, clocks):
        await asyncio.wait_for(clocks.get(), 5.0)
        while rest.reads < 3:
            await asyncio.sleep(0.01)
    assert set(rest.rates) == {20.0}


async def test_a_rest_api_that_is_gone_is_asked_again_with_advice_in_the_log(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A trade and the third attempt agree."""
    with stamina.set_testing(True, attempts=5):
        async with running(FakeRest(failures=2)) as (sync, clocks):
            receive_trades(sync)
            assert abs(await lead_ms(clocks) - LEAD_MS) < 25
    logged = "".join(capsys.readouterr())
    assert logged.count("cannot be reached (TimeoutError): check the network") == 2


async def test_without_rest_trades_give_the_clock() -> None:
    """It is behind by their transit."""
    with stamina.set_testing(True, attempts=1_000_000):
        async with running(FakeRest(failures=float("inf"))) as (sync, clocks):
            receive_trades(sync)
            assert -25 <= await lead_ms(clocks) - LEAD_MS <= 0


async def test_a_contradiction_is_logged_and_counted_once(capsys: pytest.CaptureFixture[str]) -> None:
    """REST is an hour ahead."""
    before = TICKS_CLOCK_DOUBTS.labels("rest")._value.get()
    async with running(FakeRest(error_ms=3_600_000.0)) as (sync, clocks):
        receive_trades(sync)
        for _ in range(3):
            assert -25 <= await lead_ms(clocks) - LEAD_MS <= 0
    assert TICKS_CLOCK_DOUBTS.labels("rest")._value.get() == before + 1
    assert "".join(capsys.readouterr()).count("contradict each other") == 1
