"""Retries with exponential backoff and jitter: one policy for brokers, disks and the exchange."""

import random
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

import stamina
from stamina.instrumentation import set_on_retry_hooks

from app import metrics
from app.logs import logger

FIRST_WAIT_S, LONGEST_WAIT_S = 0.1, 5.0
HEALTHY_S = 30.0  # an attempt that lasted so long had worked: the next failure starts the backoff anew
T = TypeVar("T")
Errors = type[Exception] | tuple[type[Exception], ...]
OnFailure = Callable[[Exception], None]
log = logger("retry")
set_on_retry_hooks(())  # the log line and the metric are written here, with the reason


def error_reason(error: BaseException) -> str:
    """Return what an error says, or its type where it says nothing.

    >>> error_reason(TimeoutError())
    'TimeoutError'
    """
    return str(error) or type(error).__name__


async def retrying(
    step: Callable[[], Awaitable[T]],
    what: str,
    *,
    process: str = "worker",
    on: Errors = Exception,
    unless: Callable[[Exception], bool] = lambda _error: False,
    first_wait_s: float = FIRST_WAIT_S,
    longest_wait_s: float = LONGEST_WAIT_S,
    timeout_s: float | None = None,
    on_failure: OnFailure | None = None,
) -> T:
    """Await `step` until it succeeds and return its result; every failure is logged and counted.

    Pauses double from `first_wait_s` to `longest_wait_s`, plus a random part of `first_wait_s`. Only cancellation, an
    error that is not in `on`, or one for which `unless` is true ends the attempts; with `timeout_s`, also the first
    error after so long. `on_failure` replaces the log line and the count.
    """

    def is_retried(error: Exception) -> bool:
        if not isinstance(error, on) or unless(error):
            return False
        report(error)
        return True

    report = on_failure or partial(_report, what, process)
    try:
        return await step()  # nearly always; stamina's own first attempt would cost 0.1 ms
    except on as error:
        failure = error
    attempts = stamina.retry_context(
        is_retried, attempts=None, timeout=timeout_s, wait_initial=first_wait_s, wait_max=longest_wait_s,
        wait_jitter=first_wait_s,
    )  # fmt: skip
    async for attempt in attempts:
        with attempt:
            if attempt.num == 1:
                raise failure
            return await step()
    raise AssertionError("attempts without a limit have no end")


class Backoff:
    """The same pauses for a loop that does other work between the attempts of one thing.

    >>> backoff = Backoff(first_wait_s=1.0, longest_wait_s=4.0)
    >>> [int(backoff.next_s()) in {wait, wait + 1} for wait in (1, 2, 4, 4)]
    [True, True, True, True]
    """

    def __init__(self, first_wait_s: float = FIRST_WAIT_S, longest_wait_s: float = LONGEST_WAIT_S) -> None:
        self._first_s, self._longest_s, self._next_s = first_wait_s, longest_wait_s, first_wait_s

    def next_s(self) -> float:
        """Return the pause after one more failure, wall seconds."""
        pause_s, self._next_s = self._next_s, min(2 * self._next_s, self._longest_s)
        return pause_s + random.uniform(0, self._first_s)

    def reset(self) -> None:
        """Begin anew after a success."""
        self._next_s = self._first_s


async def keep_running(
    work: Callable[[], Awaitable[None]],
    what: str,
    *,
    process: str,
    on: Errors,
    first_wait_s: float = 0.5,
    longest_wait_s: float = LONGEST_WAIT_S,
    on_failure: OnFailure | None = None,
) -> None:
    """Await `work`, and again after each failure, until it returns or is cancelled; see `retrying` for the pauses."""
    report = on_failure or partial(_report, what, process)

    async def attempt() -> bool:
        started_s = time.monotonic()
        try:
            await work()
        except on as error:
            if time.monotonic() - started_s < HEALTHY_S:
                raise
            report(error)
            return False
        return True

    while not await retrying(
        attempt, what, process=process, on=on, first_wait_s=first_wait_s, longest_wait_s=longest_wait_s,
        on_failure=report,
    ):  # fmt: skip
        pass


def _report(what: str, process: str, error: Exception) -> None:
    metrics.ERRORS.labels(process, type(error).__name__).inc()
    log.warning(f"cannot {what}, trying again", reason=error_reason(error))
