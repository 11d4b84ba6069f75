"""What is learned from outcomes: the same after its record, and dropped with its models and symbols."""

import msgspec
import numpy as np

from app.domain.outcome_state import OutcomeState, OutcomeStateRecord
from app.domain.scoring import Outcomes

H, LEVELS = (1, 2), (0.25, 0.5, 0.75)
MODELS = [("naive", "naive"), ("ridge-1", "ridge")]


def outcomes(realised: float) -> Outcomes:
    """Return the outcome of one symbol at both horizons, of two models that forecast 0."""
    mean = np.zeros((2, 2, 1), np.float32)
    quantiles = np.tile(np.array([-1e-4, 0.0, 1e-4], np.float32), (2, 2, 1, 1))
    return Outcomes(mean, quantiles, np.full((2, 1), realised, np.float32), np.ones((2, 1), bool), naive=0)


def learned(seconds: int) -> OutcomeState:
    """Return the state after so many seconds of rising prices."""
    state = OutcomeState(H, LEVELS, 60.0)
    for second in range(seconds):
        state.prepare(second, MODELS, ["A"])
        state.update(np.arange(2), MODELS, ["A"], outcomes(1e-3), np.full((2, 1), 1e-4, np.float32))
    return state


def test_a_record_restores_every_bit() -> None:
    """State, record, state: the records are the same bytes, and so are those of a second later."""
    state, back = learned(40), OutcomeState(H, LEVELS, 60.0)
    record = state.record(0, 39)
    back.restore(msgspec.msgpack.decode(record, type=OutcomeStateRecord))
    assert back.record(0, 39) == record
    for one in (state, back):
        one.prepare(40, MODELS, ["A"])
        one.update(np.arange(2), MODELS, ["A"], outcomes(-1e-3), np.full((2, 1), 1e-4, np.float32))
    assert back.record(0, 40) == state.record(0, 40)


def test_totals_count_settled_pairs_by_horizon() -> None:
    """One symbol for seven seconds is seven."""
    assert learned(7).totals() == {"1": 7, "2": 7}


def test_symbols_and_models_absent_for_twice_the_longest_horizon_are_dropped() -> None:
    """Four seconds without them are patience, five are too many."""
    state = learned(3)
    for second in (3, 4, 5, 6):
        state.prepare(second, MODELS[:1], [])
    kept = msgspec.msgpack.decode(state.record(0, 6), type=OutcomeStateRecord)
    assert (kept.symbols, len(kept.models)) == (["A"], 2)
    state.prepare(7, MODELS[:1], [])
    left = msgspec.msgpack.decode(state.record(0, 7), type=OutcomeStateRecord)
    assert (left.symbols, [model[0] for model in left.models]) == ([], ["naive"])
