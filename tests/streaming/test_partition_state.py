"""State per partition, and events processed with it."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from app.streaming import partition_state
from app.streaming.admission import ImplausibleError
from app.streaming.partition_state import PartitionStates, wait_until_idle


def event(partition: int = 2) -> Any:
    """Return as much of an event as `processing` looks at."""
    return SimpleNamespace(message=SimpleNamespace(partition=partition, acked=False))


@pytest.fixture
def letters(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the reasons of the dead letters."""
    reasons: list[str] = []

    async def publish_dead_letter(_message: Any, reason: str) -> None:
        reasons.append(reason)

    monkeypatch.setattr(partition_state, "publish_dead_letter", publish_dead_letter)
    return reasons


async def test_an_event_that_breaks_its_body_is_a_dead_letter_and_costs_the_state(letters: list[str]) -> None:
    """The state may be half changed: the next event builds it again from the tables."""
    states = PartitionStates(lambda _partition: object())
    before = states.get(2)
    async with states.processing(event()):
        raise ZeroDivisionError("no volume")
    assert letters == ["ZeroDivisionError: no volume"]
    assert states.get(2) is not before


async def test_an_implausible_batch_is_a_dead_letter_and_the_state_stays(letters: list[str]) -> None:
    """It is refused before anything changes, and a state is costly to build."""
    states = PartitionStates(lambda _partition: object())
    before = states.get(2)
    async with states.processing(event()):
        raise ImplausibleError("second 9 has not come yet")
    assert letters == ["second 9 has not come yet"]
    assert states.get(2) is before


async def test_a_cancelled_event_is_read_again(letters: list[str]) -> None:
    """Faust would acknowledge it, and its second would be lost."""
    states, cancelled = PartitionStates(lambda _partition: object()), event()
    before = states.get(2)
    with pytest.raises(asyncio.CancelledError):
        async with states.processing(cancelled):
            raise asyncio.CancelledError
    assert (cancelled.message.acked, letters) == (True, [])
    assert states.get(2) is not before
    assert states.idle.is_set()


async def test_waiting_ends_with_the_body_or_with_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rebalance and stop continue as soon as the event is processed, and after some seconds even if it is not."""
    states = PartitionStates(lambda partition: partition)
    monkeypatch.setattr(partition_state, "PATIENCE_S", 0.0)
    await wait_until_idle([states])
    async with states.processing(event()):
        assert not states.idle.is_set()
        await wait_until_idle([states])  # gives up, or this test would hang
    monkeypatch.setattr(partition_state, "PATIENCE_S", 60.0)
    async with states.processing(event()):
        waiting = asyncio.create_task(wait_until_idle([states]))
        await asyncio.sleep(0)
        assert not waiting.done()
    await waiting
