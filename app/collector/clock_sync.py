"""The exchange's clock of this process: fed by REST readings and by the trades of all streams, published at intervals.

REST readings and trade times ─▶ ExchangeClock ─▶ MarketData.update_clock
"""

import asyncio
from collections.abc import Callable

from app.clock import Clock, steady_ms
from app.collector.clock_readings import ClockReading
from app.collector.endpoints import UnreachableError
from app.collector.exchange_clock import ExchangeClock
from app.collector.rest_client import REST_ERRORS, RestClient
from app.logs import logger
from app.metrics import TICKS_CLOCK_DOUBTS
from app.retry import retrying
from app.settings import Settings

READ_EVERY_S, READ_AGAIN_S = 60.0, 5.0  # again: while REST and trades contradict each other
PUBLISH_EVERY_S, START_EVERY_S = 0.25, 0.02
FIRST_WAIT_S, LONGEST_WAIT_S = 0.2, 30.0
log = logger("collector")


class ClockSync:
    """Keeps the exchange's clock: `update_trade` with every trade, `run` from the first frame on."""

    def __init__(self, settings: Settings, rest: RestClient) -> None:
        self._settings, self._rest = settings, rest
        self._estimate = ExchangeClock(settings.speed)
        self._doubt = ""
        for source in ("rest", "trades"):
            TICKS_CLOCK_DOUBTS.labels(source)  # begins at 0: Prometheus sees the first one as an increase

    def update_trade(self, symbol: str, time_ms: int, at_ms: float) -> None:
        """Learn from a trade of this exchange time, received at this wall time (`steady_ms`)."""
        self._estimate.update_trade(symbol, time_ms, at_ms)

    async def run(self, publish: Callable[[Clock], None]) -> None:
        """Read REST once a minute and publish the clock four times a second, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._read())
            tasks.create_task(self._publish(publish))

    async def _read(self) -> None:
        while True:
            reading = await retrying(
                self._read_once, "read the exchange's clock", process="collector", on=UnreachableError,
                first_wait_s=FIRST_WAIT_S, longest_wait_s=LONGEST_WAIT_S,
            )  # fmt: skip
            self._estimate.update_reading(*reading)
            await self._until_next_reading()

    async def _until_next_reading(self) -> None:
        await asyncio.sleep(min(READ_AGAIN_S, READ_EVERY_S))
        until_ms = steady_ms() + (READ_EVERY_S - READ_AGAIN_S) * 1000
        while not self._estimate.doubt and steady_ms() < until_ms:
            await asyncio.sleep(PUBLISH_EVERY_S)

    async def _read_once(self) -> ClockReading:
        try:
            return await self._rest.get_clock(self._settings.speed)
        except REST_ERRORS as error:
            raise UnreachableError(self._settings.exchange_rest_url, error) from error

    async def _publish(self, publish: Callable[[Clock], None]) -> None:
        while True:
            clock = self._estimate.get(steady_ms())
            self._report()
            if clock is not None:
                publish(clock)
            await asyncio.sleep(PUBLISH_EVERY_S if clock else START_EVERY_S)

    def _report(self) -> None:
        doubt, self._doubt = self._doubt, self._estimate.doubt
        if self._doubt in ("", doubt):
            return
        TICKS_CLOCK_DOUBTS.labels(self._doubt).inc()
        log.warning(
            "the exchange's REST time and the times of trades contradict each other",
            not_believed=self._doubt, rest_ahead_s=round(self._estimate.doubt_ms / 1000, 3),
        )  # fmt: skip
