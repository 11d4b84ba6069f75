"""The outcomes agent: each forecast is settled once, whatever comes twice or is forgotten on the way."""

from typing import Any

from agents import outcomes, predictions
from agents.outcomes import STATES
from tests.agents.conftest import PARTITION, AgentRun, work
from tests.live.ticks import START, batch


async def _predictions(agent_run: AgentRun, count: int) -> list[Any]:
    await work(predictions.predictions, agent_run, [batch(START + n) for n in range(count)])
    return agent_run.of("predictions")


async def test_a_forecast_is_settled_one_horizon_later(agent_run: AgentRun) -> None:
    """Five seconds after the first forecast its outcome is published."""
    await work(outcomes.outcomes, agent_run, await _predictions(agent_run, 6))
    (settled,) = [one for one in agent_run.of("outcomes")[-1].settled if one.symbols]
    assert (settled.horizon_s, settled.origin, settled.symbols) == (5, START, ["BTCUSDT"])


async def test_repeats_and_a_lost_state_settle_nothing_twice(agent_run: AgentRun) -> None:
    """Read again from the beginning by a worker that starts anew, the outcomes and their totals stay the same."""
    rows = await _predictions(agent_run, 12)
    await work(outcomes.outcomes, agent_run, rows)
    undisturbed = agent_run.of("outcomes")
    agent_run.forget()
    await work(outcomes.outcomes, agent_run, rows[:8])
    STATES.drop(PARTITION)
    await work(outcomes.outcomes, agent_run, rows)
    assert [out.settled for out in agent_run.of("outcomes")] == [out.settled for out in undisturbed]
    assert agent_run.of("outcomes")[-1].settled_total == undisturbed[-1].settled_total


async def test_scores_are_stored_now_and_then_and_restored_to_the_same_bits(agent_run: AgentRun) -> None:
    """The seconds since the last scores record are replayed from the ring of pending forecasts."""
    rows = await _predictions(agent_run, 25)
    await work(outcomes.outcomes, agent_run, rows)
    undisturbed = STATES.get(PARTITION).scores_record()
    stored = agent_run.tables["scores"][str(PARTITION).encode()]
    assert stored != undisturbed
    STATES.drop(PARTITION)
    assert STATES.get(PARTITION).scores_record() == undisturbed
