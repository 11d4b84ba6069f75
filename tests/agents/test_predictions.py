"""The predictions agent: one message per second, and none twice that the outcomes have seen."""

from typing import Any

import msgspec

from agents import features, outcomes, predictions
from agents.predictions import STATES
from tests.agents.conftest import PARTITION, Walked, work
from tests.live.ticks import START, batch


async def _features(walked: Walked, count: int) -> list[Any]:
    await work(features.features, walked, [batch(START + n) for n in range(count)])
    return walked.of("features")


async def test_each_second_is_forecast_once(walked: Walked) -> None:
    """Every feature batch leaves as one prediction batch; without a champion naive serves, and says so."""
    await work(predictions.predictions, walked, await _features(walked, 3))
    found = walked.of("predictions")
    assert [out.second for out in found] == [START, START + 1, START + 2]
    assert found[-1].champion == "naive"
    assert "fallback" in found[-1].flags[0]


async def test_what_the_outcomes_have_seen_is_not_forecast_again(walked: Walked) -> None:
    """A worker that starts anew and reads features again goes on after the newest second that was settled."""
    rows = await _features(walked, 4)
    await work(predictions.predictions, walked, rows[:3])
    await work(outcomes.outcomes, walked, walked.of("predictions")[:2])
    STATES.drop(PARTITION)
    await work(predictions.predictions, walked, rows)
    assert [out.second - START for out in walked.of("predictions")] == [0, 1, 2, 2, 3]


async def test_features_of_another_schema_are_set_aside(walked: Walked) -> None:
    """Rows the models here do not know become a dead letter that names both schemas."""
    (row,) = await _features(walked, 1)
    await work(predictions.predictions, walked, [msgspec.structs.replace(row, feature_schema="other")])
    assert "feature schema other" in walked.letters[0].reason
