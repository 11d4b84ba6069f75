"""The predictions agent: one message per second, and none twice that the outcomes have seen."""

from typing import Any

import msgspec

from agents import features, outcomes, predictions
from agents.predictions import STATES
from tests.agents.conftest import PARTITION, AgentRun, work
from tests.live.ticks import START, batch


async def _features(agent_run: AgentRun, count: int) -> list[Any]:
    await work(features.features, agent_run, [batch(START + n) for n in range(count)])
    return agent_run.of("features")


async def test_each_second_is_forecast_once(agent_run: AgentRun) -> None:
    """Every feature batch leaves as one prediction batch; without a champion naive serves, and says so."""
    await work(predictions.predictions, agent_run, await _features(agent_run, 3))
    found = agent_run.of("predictions")
    assert [out.second for out in found] == [START, START + 1, START + 2]
    assert found[-1].champion == "naive"
    assert "fallback" in found[-1].flags[0]


async def test_what_the_outcomes_have_seen_is_not_forecast_again(agent_run: AgentRun) -> None:
    """A worker that starts anew and reads features again goes on after the newest second that was settled."""
    rows = await _features(agent_run, 4)
    await work(predictions.predictions, agent_run, rows[:3])
    await work(outcomes.outcomes, agent_run, agent_run.of("predictions")[:2])
    STATES.drop(PARTITION)
    await work(predictions.predictions, agent_run, rows)
    assert [out.second - START for out in agent_run.of("predictions")] == [0, 1, 2, 2, 3]


async def test_features_of_another_schema_are_set_aside(agent_run: AgentRun) -> None:
    """Rows the models here do not know become a dead letter that names both schemas."""
    (row,) = await _features(agent_run, 1)
    await work(predictions.predictions, agent_run, [msgspec.structs.replace(row, feature_schema="other")])
    assert "feature schema other" in agent_run.letters[0].reason
