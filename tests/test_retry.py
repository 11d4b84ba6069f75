"""What must not be lost is done again until it works."""

import asyncio

import pytest
from aiokafka.errors import MessageSizeTooLargeError
from faust.exceptions import ProducerSendError

from app.retry import retrying


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the pauses that would have been made."""
    made: list[float] = []

    async def sleep(seconds: float) -> None:
        made.append(seconds)

    monkeypatch.setattr("app.retry.asyncio.sleep", sleep)
    return made


async def test_a_step_that_works_is_done_once(waits: list[float]) -> None:
    """No pause, no second time."""
    done: list[int] = []

    async def step() -> None:
        done.append(1)

    await retrying(step, "write")
    assert (done, waits) == ([1], [])


async def test_a_step_that_fails_is_done_again_after_growing_pauses(waits: list[float]) -> None:
    """Eight failures of any type, each pause twice the last, none longer than five seconds."""
    left = [OSError("disk full"), *(RuntimeError(str(n)) for n in range(7))]

    async def step() -> None:
        if left:
            raise left.pop()

    await retrying(step, "write")
    assert waits == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]


async def test_cancellation_ends_it(waits: list[float]) -> None:
    """Who waits for brokers that never come back can still be stopped."""

    async def step() -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await retrying(step, "send")
    assert waits == []


async def test_what_can_never_work_is_not_tried_again(waits: list[float]) -> None:
    """A message too large for the brokers is set aside by whoever sends it, instead of blocking its partition."""

    async def step() -> None:
        raise ProducerSendError("too large") from MessageSizeTooLargeError()

    with pytest.raises(ProducerSendError):
        await retrying(step, "send")
    assert waits == []
