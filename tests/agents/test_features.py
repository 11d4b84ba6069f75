"""The features agent: what it publishes, what it refuses, and what becomes of an event that is cancelled."""

import asyncio
from typing import Any

import pytest

from agents import features
from agents.features import STATES
from tests.agents.conftest import PARTITION, Walked, work
from tests.live.ticks import START, batch


async def test_each_second_becomes_one_feature_batch(walked: Walked) -> None:
    """Three seconds of ticks leave as three batches of bars and features, each stored before the next."""
    await work(features.features, walked, [batch(START + n) for n in range(3)])
    assert [out.second for out in walked.of("features")] == [START, START + 1, START + 2]
    assert len(walked.tables["windows"]) == 3


async def test_a_repeat_is_skipped(walked: Walked) -> None:
    """A second that is in the table already is not published again, not even by a worker that starts anew."""
    await work(features.features, walked, [batch(START), batch(START + 1)])
    STATES.drop(PARTITION)
    await work(features.features, walked, [batch(START), batch(START + 1), batch(START + 2)])
    assert [out.second for out in walked.of("features")] == [START, START + 1, START + 2]


async def test_a_restored_window_goes_on_bit_for_bit(walked: Walked) -> None:
    """After its room was dropped the agent computes what it would have computed."""
    await work(features.features, walked, [batch(START + n) for n in range(6)])
    undisturbed = walked.of("features")[-1].features
    walked.forget()
    await work(features.features, walked, [batch(START + n) for n in range(5)])
    STATES.drop(PARTITION)
    await work(features.features, walked, [batch(START + 5)])
    assert walked.of("features")[-1].features == undisturbed


async def test_a_lie_is_set_aside_and_costs_no_window(walked: Walked) -> None:
    """Batches of another partition or the far future become dead letters; the window in memory is not built again."""
    await work(features.features, walked, [batch(START)])
    room = STATES.of(PARTITION)
    lies: list[Any] = [batch(START + 1, partition=5), batch(9_000_000_000)]
    await work(features.features, walked, [*lies, batch(START + 1)])
    assert STATES.of(PARTITION) is room
    assert [letter.reason.split()[0] for letter in walked.letters] == ["says", "second"]
    assert [out.second for out in walked.of("features")] == [START, START + 1]


async def test_a_body_that_fails_sets_its_event_aside_and_builds_its_room_again(
    walked: Walked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error in the body costs that one event; what was half changed is forgotten."""
    await work(features.features, walked, [batch(START)])
    room = STATES.of(PARTITION)
    with monkeypatch.context() as broken:
        broken.setattr(room, "feature_rows", lambda: 1 / 0)
        await work(features.features, walked, [batch(START + 1)])
    await work(features.features, walked, [batch(START + 2)])
    assert [letter.reason for letter in walked.letters] == ["ZeroDivisionError: division by zero"]
    assert [out.second for out in walked.of("features")] == [START, START + 2]


async def test_a_cancelled_event_is_not_acknowledged(walked: Walked) -> None:
    """Cancelled while it waits for the brokers, an event counts as unread: Faust acknowledges what is not marked."""
    reached, never = asyncio.Event(), asyncio.Event()

    async def stuck(*_arguments: Any) -> None:
        reached.set()
        await never.wait()

    walked.publish_instead(stuck)
    event = walked.event(batch(START))
    body = asyncio.create_task(features.features.fun(walked.stream([event])))
    await reached.wait()
    assert not STATES.idle.is_set()
    body.cancel()
    await asyncio.gather(body, return_exceptions=True)
    assert event.message.acked
    assert STATES.idle.is_set()
    assert "windows" not in walked.tables


async def test_a_ring_record_that_cannot_be_read_is_named(walked: Walked) -> None:
    """A damaged record of the ring is refused with a reason in the log and in the metrics; the others are used."""
    await work(features.features, walked, [batch(START), batch(START + 1)])
    key = next(iter(walked.tables["windows"]))
    walked.tables["windows"][key] = b"damaged"
    STATES.drop(PARTITION)
    assert STATES.of(PARTITION).last == START + 1
