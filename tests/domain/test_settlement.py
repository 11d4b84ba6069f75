"""Settlement of forecasts against outcomes: by hand, with gaps, and across restarts."""

import math

import msgspec
import numpy as np
import pytest

from app.domain.settlement import SCORED_EVERY_S, Settlements
from app.records import Score, Settlement
from tests.domain.prediction_batches import HORIZONS_S, LEVELS, NAIVE, RIDGE, SPREAD, batch, forecast


def empty() -> Settlements:
    """Return one partition's settlements, nothing seen yet."""
    return Settlements(HORIZONS_S, LEVELS, halflife_s=60.0)


def voids(settled: list[Settlement]) -> list[tuple[int, int, dict[str, list[str]]]]:
    """Return horizon, origin and void entries of what was settled."""
    return [(one.horizon_s, one.origin, one.void) for one in settled]


def score(scores: list[Score], model: str, symbol: str, horizon_s: int) -> Score:
    """Return the one score asked for."""
    return next(s for s in scores if (s.model, s.symbol, s.horizon_s) == (model, symbol, horizon_s))


def test_a_forecast_is_settled_when_its_horizon_is_over() -> None:
    """From 100 to 101 in one second: the log return is ln 1.01, and both forecasters are scored by it."""
    settlements = empty()
    assert settlements.settle(batch(9, {"BTCUSDT": 100.0})) == ([], [], {"1": 0, "3": 0, "7": 0})
    settled, scores, totals = settlements.settle(batch(10, {"BTCUSDT": 101.0}))
    move = math.log(1.01)
    assert (settled[0].horizon_s, settled[0].origin, settled[0].symbols, settled[0].void) == (1, 9, ["BTCUSDT"], {})
    assert settled[0].realised == pytest.approx([move])
    assert totals == {"1": 1, "3": 0, "7": 0}
    naive, ridge = (score(scores, model, "BTCUSDT", 1) for model in ("naive", "ridge-1"))
    assert (naive.mae, ridge.mae) == pytest.approx((move, move - 1e-4))
    assert naive.pinball == pytest.approx(
        np.mean([(move - q) * level for q, level in zip(SPREAD, LEVELS, strict=True)])
    )
    assert ridge.skill == pytest.approx(1 - ridge.pinball / naive.pinball)
    assert (ridge.direction, ridge.coverage, ridge.pit) == (1.0, {"0.9": 0.0, "0.5": 0.0}, [0, 0, 0, 0, 0, 1])
    assert {s.symbol for s in scores} == {"*", "BTCUSDT"}


def test_every_second_of_every_horizon_is_settled_once() -> None:
    """Thirty seconds without a hole: origins rise one by one, and the totals count each once."""
    settlements = empty()
    origins: dict[int, list[int]] = {horizon: [] for horizon in HORIZONS_S}
    for second in range(100, 130):
        settled, _, totals = settlements.settle(batch(second, {"A": 1.0 + second, "B": 2.0}))
        for one in settled:
            origins[one.horizon_s].append(one.origin)
            assert (one.symbols, one.void) == (["A", "B"], {})
    assert origins == {horizon: list(range(100, 130 - horizon)) for horizon in HORIZONS_S}
    assert totals == {str(horizon): 2 * (30 - horizon) for horizon in HORIZONS_S}


@pytest.mark.parametrize("second", [12, 11])
def test_a_second_not_newer_than_the_last_is_refused(second: int) -> None:
    """A repeat never settles twice: it is an error, and nothing changes."""
    settlements = empty()
    for now in (10, 11, 12):
        settlements.settle(batch(now, {"A": 1.0}))
    before = settlements.scores_record()
    with pytest.raises(ValueError, match=f"second {second} of partition 0 is not newer than 12"):
        settlements.settle(batch(second, {"A": 1.0}))
    assert settlements.scores_record() == before


def test_symbols_without_a_mid_then_or_now_are_void() -> None:
    """A had no mid when the forecast was made, B has none now: both unpriced, C is settled."""
    settlements = empty()
    settlements.settle(batch(9, {"A": 0.0, "B": 2.0, "C": 1.0}))
    settled, scores, totals = settlements.settle(batch(10, {"A": 1.0, "B": 0.0, "C": 1.0}))
    assert settled == [Settlement(horizon_s=1, origin=9, symbols=["C"], realised=[0.0], void={"unpriced": ["A", "B"]})]
    assert totals["1"] == 1
    assert {s.symbol for s in scores} == {"*", "C"}


def test_symbols_that_come_have_no_forecast_and_those_that_go_no_mid() -> None:
    """Over one second B gives way to C: C is missing, B is unpriced, A is settled; positions do not get mixed up."""
    settlements = empty()
    settlements.settle(batch(10, {"B": 5.0, "A": 1.0}))
    settled, _, _ = settlements.settle(batch(11, {"A": 2.0, "C": 7.0}))
    assert settled[0].symbols == ["A"]
    assert settled[0].realised == pytest.approx([math.log(2)])
    assert settled[0].void == {"missing": ["C"], "unpriced": ["B"]}


def test_a_gap_makes_void_what_was_due_in_it_and_what_it_did_not_forecast() -> None:
    """Seconds 12 and 13 never come: forecasts due there are unpriced; forecasts due from there are missing."""
    settlements = empty()
    for second in (10, 11):
        settlements.settle(batch(second, {"A": 1.0}))
    everyone = ["*"]
    settled, _, _ = settlements.settle(batch(14, {"A": 1.0}))
    assert voids(settled) == [
        (1, 11, {"unpriced": everyone}),
        (3, 10, {"unpriced": everyone}),
        (1, 13, {"missing": everyone}),
        (3, 11, {}),
    ]
    assert voids(settlements.settle(batch(15, {"A": 1.0}))[0]) == [(1, 14, {}), (3, 12, {"missing": everyone})]


def test_a_jump_of_hours_voids_what_was_pending_and_goes_on() -> None:
    """Three hours later: what was pending is void once, nothing is settled across the hole, then all as usual."""
    settlements = empty()
    for second in range(10, 20):
        settlements.settle(batch(second, {"A": 1.0}))
    settled, _, totals = settlements.settle(batch(10_819, {"A": 9.0}))
    unpriced = [one for one in settled if one.void == {"unpriced": ["*"]}]
    assert len(unpriced) == sum(HORIZONS_S)
    assert all(not one.symbols for one in settled)
    assert settlements.settle(batch(10_820, {"A": 9.0}))[2]["1"] == totals["1"] + 1


def test_a_newcomer_inherits_the_offsets_of_its_kind() -> None:
    """A ridge that was always too low has learned to sit higher; its successor starts there, the naive does not."""
    settlements = empty()
    for second in range(40):
        settlements.settle(batch(second, {"A": math.exp(second * 1e-3)}))
    settlements.settle(batch(40, {"A": math.exp(0.04)}, models=[NAIVE, RIDGE, ("ridge-2", "ridge")]))
    calibration = settlements.calibration()
    old, new = (calibration.offsets(name, "ridge", ["A"]) for name in ("ridge-1", "ridge-2"))
    assert old[0, 0, -1] > 1
    assert np.abs(old - new).max() < 0.5
    assert not calibration.offsets("tf-1", "tensorflow", ["A"]).any()


def test_models_and_symbols_long_gone_are_forgotten() -> None:
    """After twice the longest horizon without them, neither is left in the record."""
    settlements = empty()
    settlements.settle(batch(0, {"A": 1.0, "GONE": 1.0}, models=[NAIVE, ("old", "ridge")]))
    for second in range(1, 16):
        settlements.settle(batch(second, {"A": 1.0}))
    record = msgspec.msgpack.decode(settlements.scores_record())
    assert record["symbols"] == ["A"]
    assert [model[0] for model in record["models"]] == ["naive", "ridge-1"]


def test_large_partitions_score_twenty_symbols_in_turn() -> None:
    """Of 45 symbols each turn shows 20 and "*"; nine turns show every symbol the same number of times."""
    settlements, seen = empty(), dict[str, int]()
    mids = {f"S{number}": 1.0 for number in range(45)}
    for second in range(1, 20 * SCORED_EVERY_S):
        scores = [s for s in settlements.settle(batch(second, mids))[1] if (s.model, s.horizon_s) == ("naive", 1)]
        assert bool(scores) == (second % SCORED_EVERY_S == 0)
        if scores and second >= 11 * SCORED_EVERY_S:
            assert len(scores) == 21
            for one in scores:
                seen[one.symbol] = seen.get(one.symbol, 0) + 1
    assert seen == dict.fromkeys(mids, 4) | {"*": 9}


def test_roles_are_those_of_the_newest_batch() -> None:
    """A challenger promoted this second is scored as champion this second."""
    settlements = empty()
    settlements.settle(batch(4, {"A": 1.0}, forecasts=[forecast(NAIVE, [0.0]), forecast(RIDGE, [0.0], "challenger")]))
    _, scores, _ = settlements.settle(batch(5, {"A": 1.0}, forecasts=[forecast(RIDGE, [0.0], "champion")]))
    assert {(s.model, s.role) for s in scores} == {("ridge-1", "champion")}


def test_a_partition_without_symbols_or_forecasters_is_no_trouble() -> None:
    """Empty batches pass, and what follows is settled."""
    settlements = empty()
    settlements.settle(batch(1, {}))
    settlements.settle(batch(2, {"A": 1.0}, models=[]))
    settlements.settle(batch(3, {"A": 1.0}))
    settled, _, totals = settlements.settle(batch(4, {"A": 1.0}))
    assert voids(settled) == [(1, 3, {}), (3, 1, {"missing": ["A"]})]
    assert totals["1"] == 2


def test_a_batch_that_does_not_fit_is_refused_and_changes_nothing() -> None:
    """One clear sentence for the dead letters; the records before and after are the same bytes."""
    settlements = empty()
    for second in range(5):
        settlements.settle(batch(second, {"A": 1.0, "B": 2.0}))
    before = settlements.scores_record()
    with pytest.raises(ValueError, match="mid must be positive"):
        settlements.settle(batch(5, {"A": 1.0, "B": 2.0}, mid=[1.0, -1.0]))
    assert (settlements.scores_record(), settlements.last) == (before, 4)
    assert [one.origin for one in settlements.settle(batch(5, {"A": 1.0, "B": 2.0}))[0]] == [4, 2]
