"""The exchange's clock is read again and again."""

import asyncio

import pytest
import stamina

from app.clock import Clock
from app.collector import clock_sync
from app.collector.rest_client import RestClient
from app.settings import Settings


class FakeClock(RestClient):
    """An exchange whose REST API fails some times and then shows rising clocks."""

    def __init__(self, failures: int) -> None:
        self.failures, self.reads, self.rates = failures, 0, list[float]()

    async def get_clock(self, rate: float) -> Clock:
        """Return a clock with the number of the read."""
        self.reads += 1
        self.rates.append(rate)
        if self.reads <= self.failures:
            raise TimeoutError
        return Clock(float(self.reads), 0.0, rate)


async def read(rest: FakeClock, count: int) -> list[Clock]:
    """Return the first clocks that are published."""
    clocks: asyncio.Queue[Clock] = asyncio.Queue()
    task = asyncio.create_task(clock_sync.run(Settings(speed=20.0), rest, clocks.put_nowait))
    try:
        return [await asyncio.wait_for(clocks.get(), 2.0) for _ in range(count)]
    finally:
        task.cancel()


async def test_the_clock_is_read_at_once_and_then_at_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the replay's speed."""
    monkeypatch.setattr(clock_sync, "READ_EVERY_S", 0.01)
    rest = FakeClock(failures=0)
    assert [clock.exchange_anchor_ms for clock in await read(rest, 3)] == [1.0, 2.0, 3.0]
    assert set(rest.rates) == {20.0}


async def test_an_exchange_that_does_not_answer_is_asked_again_with_advice_in_the_log(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Without its clock no second is closed."""
    with stamina.set_testing(True, attempts=5):
        clocks = await read(FakeClock(failures=2), 1)
    assert clocks[0].exchange_anchor_ms == 3.0
    logged = "".join(capsys.readouterr())
    assert logged.count("cannot be reached (TimeoutError): check the network") == 2
