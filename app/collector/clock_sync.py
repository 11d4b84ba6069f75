"""The exchange's clock, read over REST once a minute."""

import asyncio
from collections.abc import Callable

from app.clock import Clock
from app.collector.endpoints import UnreachableError
from app.collector.rest_client import REST_ERRORS, RestClient
from app.retry import retrying
from app.settings import Settings

READ_EVERY_S = 60.0
FIRST_WAIT_S, LONGEST_WAIT_S = 0.2, 30.0


async def run(settings: Settings, rest: RestClient, update: Callable[[Clock], None]) -> None:
    """Read the clock, give it to `update`, and again every minute until cancelled."""

    async def read() -> Clock:
        try:
            return await rest.get_clock(settings.speed)
        except REST_ERRORS as error:
            raise UnreachableError(settings.exchange_rest_url, error) from error

    while True:
        clock = await retrying(
            read, "read the exchange's clock", process="collector", on=UnreachableError,
            first_wait_s=FIRST_WAIT_S, longest_wait_s=LONGEST_WAIT_S,
        )  # fmt: skip
        update(clock)
        await asyncio.sleep(READ_EVERY_S)
