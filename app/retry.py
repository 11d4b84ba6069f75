"""One verb for what must not be lost: do it again until it works. What enters: a step; what leaves: its success."""

import asyncio
from collections.abc import Awaitable, Callable

from aiokafka.errors import MessageSizeTooLargeError

from app import metrics
from app.logs import logger

log = logger("persist")
FIRST_WAIT_S, LONGEST_WAIT_S = 0.1, 5.0


async def retrying(step: Callable[[], Awaitable[None]], what: str) -> None:
    """Await a step, again and again with growing pauses, until it succeeds; only cancellation ends it early.

    Raises:
        MessageSizeTooLargeError: or what Faust made of it; the next time would be no better.

    """
    wait_s = FIRST_WAIT_S
    while True:
        try:
            await step()
            return
        except Exception as error:  # brokers and disks fail in many types; all of them pass
            if any(isinstance(one, MessageSizeTooLargeError) for one in (error, error.__cause__)):
                raise
            metrics.ERRORS.labels("worker", type(error).__name__).inc()
            log.warning(f"cannot {what}, trying again", reason=str(error) or type(error).__name__, in_s=wait_s)
        await asyncio.sleep(wait_s)
        wait_s = min(2 * wait_s, LONGEST_WAIT_S)
