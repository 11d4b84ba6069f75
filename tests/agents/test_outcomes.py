"""The outcomes agent: each forecast is settled once, whatever comes twice or is forgotten on the way."""

from typing import Any

from agents import features, outcomes, predictions
from agents.outcomes import STATES
from tests.agents.conftest import PARTITION, Walked, work
from tests.live.ticks import START, batch


async def _predictions(walked: Walked, count: int) -> list[Any]:
    await work(features.features, walked, [batch(START + n) for n in range(count)])
    await work(predictions.predictions, walked, walked.of("features"))
    return walked.of("predictions")


async def test_a_forecast_is_settled_one_horizon_later(walked: Walked) -> None:
    """Five seconds after the first forecast its outcome is published."""
    await work(outcomes.outcomes, walked, await _predictions(walked, 6))
    (settled,) = [one for one in walked.of("outcomes")[-1].settled if one.symbols]
    assert (settled.horizon_s, settled.origin, settled.symbols) == (5, START, ["BTCUSDT"])


async def test_repeats_and_a_lost_room_settle_nothing_twice(walked: Walked) -> None:
    """Read again from the beginning by a worker that starts anew, the outcomes and their totals stay the same."""
    rows = await _predictions(walked, 12)
    await work(outcomes.outcomes, walked, rows)
    undisturbed = walked.of("outcomes")
    walked.forget()
    await work(outcomes.outcomes, walked, rows[:8])
    STATES.drop(PARTITION)
    await work(outcomes.outcomes, walked, rows)
    assert [out.settled for out in walked.of("outcomes")] == [out.settled for out in undisturbed]
    assert walked.of("outcomes")[-1].settled_total == undisturbed[-1].settled_total
