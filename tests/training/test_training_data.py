"""Training data: each topic's messages update what they are about."""

import msgspec
import pytest

from app import releases
from app.records import OutcomeBatch, Score
from app.training.live_history import LiveHistory
from app.training.training_data import TrainingData


def score(symbol: str, skill: float) -> Score:
    """Return a score at five seconds."""
    return Score(
        symbol=symbol, model="m", kind="tensorflow", role="challenger", horizon_s=5, n=1, weight=1.0, mae=0.0, rmse=0.0,
        pinball=0.0, skill=skill, skill_low=0.0, skill_high=0.0, p_value=1.0, r2=0.0, direction=0.5, coverage={},
        pit=[],
    )  # fmt: skip


def outcomes(second: int, skill: float) -> bytes:
    """Return a message with the scores of a symbol and of all symbols."""
    batch = OutcomeBatch(
        partition=1, second=second, closed_ms=0.0, sent_ms=0.0, settled=[], scores=[score("A", 9.0), score("*", skill)]
    )
    return msgspec.json.encode(batch)


def test_the_newest_score_over_all_symbols_is_kept_for_each_partition() -> None:
    """Those of single symbols are not; a later message replaces an earlier one."""
    data = TrainingData(LiveHistory([], 10))
    for partition, skill in ((0, 0.1), (1, 0.2), (0, 0.3)):
        data.update("outcomes", partition, outcomes(1, skill))
    assert {key: one.skill for key, one in data.scores.items()} == {(0, "m", 5): 0.3, (1, "m", 5): 0.2}


def test_a_release_updates_the_registry() -> None:
    """As published on the models topic."""
    (release,) = releases.packaged()
    data = TrainingData(LiveHistory([], 10))
    data.update("models", 0, msgspec.json.encode(release))
    assert data.registry.releases == {release.id: release}


def test_a_message_that_cannot_be_decoded_raises() -> None:
    """The reader counts it and goes on."""
    with pytest.raises(msgspec.MsgspecError):
        TrainingData(LiveHistory([], 10)).update("features", 0, b"{")
