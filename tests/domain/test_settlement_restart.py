"""Settlement across restarts: records restore every bit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.settlement import Settlements
from app.records import PredictionBatch
from tests.domain.prediction_batches import HORIZONS_S, LEVELS, NAIVE, RIDGE, batch, forecast


def empty() -> Settlements:
    """Return one partition's settlements, nothing settled yet."""
    return Settlements(HORIZONS_S, LEVELS, halflife_s=60.0)


def story(seed: int, seconds: int) -> list[PredictionBatch]:
    """Return batches in which seconds, mids, symbols and models come and go."""
    rng = np.random.default_rng(seed)
    second, batches = 1000, []
    for _ in range(seconds):
        second += int(rng.choice([1, 1, 1, 1, 1, 2, 5, 40], p=[0.2, 0.2, 0.2, 0.2, 0.1, 0.05, 0.04, 0.01]))
        symbols = ["A", "B", "C"] if rng.random() < 0.8 else ["C", "A"]
        mids = {symbol: 0.0 if rng.random() < 0.05 else float(np.exp(rng.normal(0, 1e-4))) for symbol in symbols}
        models = [NAIVE, RIDGE, ("tf-1", "tensorflow")][: rng.integers(1, 4)]
        forecasts = [forecast(model, rng.normal(0, 1e-4, len(symbols)).tolist()) for model in models]
        batches.append(batch(second, mids, forecasts=forecasts))
    return batches


RING = max(HORIZONS_S) + 20


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), cut=st.integers(1, 69), age_s=st.integers(1, 20))
def test_a_restart_at_any_second_changes_no_bit(seed: int, cut: int, age_s: int) -> None:
    """Cut anywhere, with a scores record some seconds old: outputs and records from there on are the same bytes."""
    batches, before, ring = story(seed, 70), empty(), dict[int, bytes]()
    records: list[tuple[int, bytes | None]] = [(batches[0].second - 1, None)]
    for now in batches[:cut]:
        before.settle(now)
        ring[now.second % RING] = before.pending_record(now)
        records.append((now.second, before.scores_record()))
    after = empty()
    after.restore(reversed(ring.values()), next(kept for at, kept in records if at > batches[cut - 1].second - age_s))
    assert (after.last, after.scores_record()) == (before.last, before.scores_record())
    for now in batches[cut:]:
        assert after.settle(now) == before.settle(now)
        assert after.pending_record(now) == before.pending_record(now)
        assert after.scores_record() == before.scores_record()


def test_changed_horizons_start_learning_afresh_but_settle_nothing_twice() -> None:
    """Records of other horizons leave nothing but the newest second."""
    old = empty()
    old.settle(batch(7, {"A": 1.0}))
    new = Settlements((2, 4), LEVELS)
    new.restore([old.pending_record(batch(7, {"A": 1.0}))], old.scores_record())
    assert new.last == 7
    settled, scores, totals = new.settle(batch(8, {"A": 1.0}, models=[], horizons_s=[2, 4]))
    assert (settled, scores, totals) == ([], [], {"2": 0, "4": 0})


def test_there_is_no_scores_record_before_the_first_second() -> None:
    """Nothing learned, nothing to keep."""
    with pytest.raises(ValueError, match="no scores record before the first second"):
        empty().scores_record()
