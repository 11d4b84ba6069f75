"""What must not be lost is tried again until it works."""

import asyncio
import time

import pytest
from aiokafka.errors import KafkaError

from app import metrics, retry


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the pauses that would have been made."""
    made: list[float] = []

    async def sleep(seconds: float) -> None:
        made.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    return made


async def test_a_step_that_works_runs_once(waits: list[float]) -> None:
    """No pause, no second time, and its result comes back."""

    async def step() -> int:
        return 7

    assert (await retry.retrying(step, "write"), waits) == (7, [])


async def test_a_step_that_fails_runs_again_after_growing_pauses(waits: list[float]) -> None:
    """Eight failures of any type, each pause twice the last and a random bit longer, none above five seconds."""
    left = [OSError("disk full"), *(RuntimeError(str(n)) for n in range(7))]
    counted = metrics.ERRORS.labels("test", "RuntimeError")
    before = counted._value.get()

    async def step() -> None:
        if left:
            raise left.pop()

    await retry.retrying(step, "write", process="test")
    expected = [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    assert len(waits) == len(expected)
    assert all(least <= wait <= min(least + 0.1, 5.0) for wait, least in zip(waits, expected, strict=True))
    assert counted._value.get() == before + 7


async def test_cancellation_ends_it(waits: list[float]) -> None:
    """A process that waits for brokers that never come back can still be stopped."""

    async def step() -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await retry.retrying(step, "send")
    assert waits == []


async def test_an_error_that_cannot_pass_is_not_tried_again(waits: list[float]) -> None:
    """Neither one that was not named, nor one that the caller knows to be final."""

    async def step() -> None:
        raise ValueError("too large")

    with pytest.raises(ValueError, match="too large"):
        await retry.retrying(step, "send", unless=lambda error: "too large" in str(error))
    with pytest.raises(ValueError, match="too large"):
        await retry.retrying(step, "send", on=OSError)
    assert waits == []


async def test_a_connection_that_had_worked_starts_the_backoff_anew(
    waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three failures in a row, then an hour of work, then one failure: its pause is the first one again."""
    now_s = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now_s)
    lasting_s = [0.0, 0.0, 0.0, 3600.0, 0.0]

    async def work() -> None:
        nonlocal now_s
        if lasting_s:
            now_s += lasting_s.pop(0)
            raise KafkaError("away")

    await retry.keep_running(work, "follow", process="test", on=(KafkaError, OSError))
    assert [round(wait) for wait in waits] == pytest.approx([1, 1, 2, 1], abs=0.6)
    assert waits[2] > 1.9
    assert waits[3] < 1.1


async def test_a_caller_may_report_failures_in_its_own_words(waits: list[float]) -> None:
    """Each failure is handed over once, and neither logged nor counted a second time."""
    left, reported = [OSError("first"), OSError("second")], list[str]()
    counted = metrics.ERRORS.labels("own", "OSError")

    async def step() -> None:
        if left:
            raise left.pop(0)

    await retry.keep_running(step, "write", process="own", on=OSError, on_failure=lambda e: reported.append(str(e)))
    assert (reported, counted._value.get(), len(waits)) == (["first", "second"], 0.0, 2)


async def test_a_step_with_a_timeout_fails_with_its_last_error() -> None:
    """Those who wait for an answer are given the reason, not the timeout."""
    left = iter(range(1000))

    async def step() -> None:
        raise OSError(f"refused {next(left)}")

    with pytest.raises(OSError, match=r"refused [1-9]"):
        await retry.retrying(step, "ask", process="test", first_wait_s=0.01, longest_wait_s=0.02, timeout_s=0.2)
