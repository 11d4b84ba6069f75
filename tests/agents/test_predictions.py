"""The predictions agent: what it publishes, what it refuses, and what becomes of an event that is cancelled."""

import asyncio
from typing import Any

import numpy as np
import pytest

from agents import outcomes, predictions
from agents.predictions import STATES
from app.domain.acceptance import fence
from app.streaming import admission
from app.streaming.fences import Fences
from app.streaming.publisher import encode
from app.streaming.table_store import slot_key
from tests.agents.conftest import PARTITION, AgentRun, work
from tests.live.ticks import START, batch


async def test_each_second_becomes_one_batch_of_forecasts_and_one_of_features(agent_run: AgentRun) -> None:
    """They are sent together, to the partition of the ticks, and the window is stored before the next second."""
    await work(predictions.predictions, agent_run, [batch(START + n) for n in range(3)])
    assert [name for name, _ in agent_run.published] == ["predictions", "features"] * 3
    for name in ("predictions", "features"):
        assert [out.second for out in agent_run.of(name)] == [START, START + 1, START + 2]
    assert agent_run.partitions == {PARTITION}
    assert len(agent_run.tables["windows"]) == 3


async def test_a_repeat_is_skipped(agent_run: AgentRun) -> None:
    """A second that is in the table already is not published again, not even by a worker that starts anew."""
    await work(predictions.predictions, agent_run, [batch(START), batch(START + 1)])
    STATES.drop(PARTITION)
    await work(predictions.predictions, agent_run, [batch(START), batch(START + 1), batch(START + 2)])
    assert [out.second for out in agent_run.of("predictions")] == [START, START + 1, START + 2]


@pytest.mark.parametrize("restarted", [False, True])
async def test_what_a_former_collector_writes_after_a_fence_is_refused_even_by_a_worker_that_starts_anew(
    agent_run: AgentRun, monkeypatch: pytest.MonkeyPatch, restarted: bool
) -> None:
    """The successor's second is the one that counts, though it comes later."""
    await work(predictions.predictions, agent_run, [batch(START, generation=1), fence(PARTITION, 2, 1.0)])
    if restarted:
        monkeypatch.setattr(admission, "PROGRESS", admission.Progress())
        monkeypatch.setattr(predictions, "FENCES", Fences())
        STATES.drop(PARTITION)
    late, true = batch(START + 1, generation=1), batch(START + 1, generation=2)
    await work(predictions.predictions, agent_run, [late, true])
    assert [(out.second, out.generation) for out in agent_run.of("predictions")] == [(START, 1), (START + 1, 2)]
    assert agent_run.letters == []


async def test_a_restored_window_goes_on_bit_for_bit(agent_run: AgentRun) -> None:
    """After its state was dropped the agent computes what it would have computed."""
    await work(predictions.predictions, agent_run, [batch(START + n) for n in range(6)])
    undisturbed = agent_run.of("features")[-1].features
    agent_run.forget()
    await work(predictions.predictions, agent_run, [batch(START + n) for n in range(5)])
    STATES.drop(PARTITION)
    await work(predictions.predictions, agent_run, [batch(START + 5)])
    assert encode(agent_run.of("features")[-1].features) == encode(undisturbed)


async def test_an_implausible_batch_is_a_dead_letter_and_costs_no_window(agent_run: AgentRun) -> None:
    """Batches of another partition or the far future become dead letters; the window in memory is not built again."""
    await work(predictions.predictions, agent_run, [batch(START)])
    state = STATES.get(PARTITION)
    lies: list[Any] = [batch(START + 1, partition=5), batch(9_000_000_000)]
    await work(predictions.predictions, agent_run, [*lies, batch(START + 1)])
    assert STATES.get(PARTITION) is state
    assert [letter.reason.split()[0] for letter in agent_run.letters] == ["partition", "second"]
    assert [out.second for out in agent_run.of("predictions")] == [START, START + 1]


async def test_a_body_that_fails_makes_a_dead_letter_and_builds_its_state_again(
    agent_run: AgentRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error in the body costs that one event; what was half changed is forgotten."""
    await work(predictions.predictions, agent_run, [batch(START)])
    state = STATES.get(PARTITION)
    with monkeypatch.context() as broken:
        broken.setattr(state, "feature_rows", lambda: 1 / 0)
        await work(predictions.predictions, agent_run, [batch(START + 1)])
    await work(predictions.predictions, agent_run, [batch(START + 2)])
    assert [letter.reason for letter in agent_run.letters] == ["ZeroDivisionError: division by zero"]
    assert [out.second for out in agent_run.of("predictions")] == [START, START + 2]


async def test_a_cancelled_event_is_not_acknowledged(agent_run: AgentRun) -> None:
    """Cancelled while it waits for the brokers, an event counts as unread: Faust acknowledges what is not marked."""
    reached, never = asyncio.Event(), asyncio.Event()

    async def stuck(*_arguments: Any, **_options: Any) -> None:
        reached.set()
        await never.wait()

    agent_run.publish_instead(stuck)
    event = agent_run.event(batch(START))
    body = asyncio.create_task(predictions.predictions.fun(agent_run.stream([event])))
    await reached.wait()
    assert not STATES.idle.is_set()
    body.cancel()
    await asyncio.gather(body, return_exceptions=True)
    assert event.message.acked
    assert STATES.idle.is_set()
    assert "windows" not in agent_run.tables


async def test_a_ring_record_that_cannot_be_read_is_named(agent_run: AgentRun) -> None:
    """A damaged record of the ring is refused with a reason in the log and in the metrics; the others are used."""
    await work(predictions.predictions, agent_run, [batch(START), batch(START + 1)])
    key = next(iter(agent_run.tables["windows"]))
    agent_run.tables["windows"][key] = b"damaged"
    STATES.drop(PARTITION)
    assert STATES.get(PARTITION).last == START + 1


async def test_without_a_champion_naive_serves_and_says_so(agent_run: AgentRun) -> None:
    """The flag is on every symbol."""
    await work(predictions.predictions, agent_run, [batch(START)])
    (found,) = agent_run.of("predictions")
    assert found.champion == "naive"
    assert "fallback" in found.flags[0]


async def test_forecasts_are_corrected_by_what_the_outcomes_taught(agent_run: AgentRun) -> None:
    """The calibration is the one in the outcomes agent's memory, not that of the record it stores now and then."""
    seconds = [batch(START + n) for n in range(12)]
    await work(predictions.predictions, agent_run, seconds[:11])
    await work(outcomes.outcomes, agent_run, agent_run.of("predictions"))
    learned = outcomes.STATES.get(PARTITION).calibration().offsets("naive", "naive", ["BTCUSDT"])
    assert learned.any()
    await work(predictions.predictions, agent_run, seconds[11:])
    corrected = agent_run.of("predictions")[-1].forecasts[0].quantiles
    outcomes.STATES.drop(PARTITION)
    agent_run.tables.pop("scores", None)
    agent_run.tables.pop("pending", None)
    STATES.drop(PARTITION)
    agent_run.tables["windows"].pop(slot_key(PARTITION, START + 11, predictions.RING))
    await work(predictions.predictions, agent_run, seconds[11:])
    plain = agent_run.of("predictions")[-1].forecasts[0].quantiles
    assert (np.asarray(corrected) != np.asarray(plain)).any()
