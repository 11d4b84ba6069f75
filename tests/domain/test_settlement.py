"""Settling forecasts against what came: by hand, with gaps, and across restarts."""

import math
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.calibration import calibration_of
from app.domain.settlement import Settlements
from app.records import Forecast, PredictionBatch, Score, Settlement

HORIZONS_S = (1, 3, 7)
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
SPREAD = (-2e-4, -1e-4, 0.0, 1e-4, 2e-4)
NAIVE, RIDGE = ("naive", "naive"), ("ridge-1", "ridge")


def forecast(model: tuple[str, str], means: Sequence[float], role: str = "champion") -> Forecast:
    """Return a forecaster's means, one per symbol, the same at every horizon, with quantiles around them."""
    rows = [[[mean + gap for gap in SPREAD] for _ in HORIZONS_S] for mean in means]
    name, kind = model
    mean = [[mean] * len(HORIZONS_S) for mean in means]
    return Forecast(model=name, kind=kind, role=role, mean=mean, quantiles=rows)  # type: ignore[arg-type]


def batch(second: int, mids: dict[str, float], models: Sequence[Any] = (NAIVE, RIDGE), **other: Any) -> PredictionBatch:
    """Return one second's predictions; a mid of 0 is unpriced."""
    fields: dict[str, Any] = {
        "partition": 0,
        "second": second,
        "closed_ms": second * 1000.0,
        "sent_ms": second * 1000.0,
        "symbols": list(mids),
        "mid": list(mids.values()),
        "priced": [mid > 0 for mid in mids.values()],
        "volatility": [1e-4] * len(mids),
        "flags": [[] for _ in mids],
        "horizons_s": list(HORIZONS_S),
        "levels": list(LEVELS),
        "champion": "ridge-1",
        "forecasts": [forecast(model, [0.0 if model == NAIVE else 1e-4] * len(mids)) for model in models],
    }
    return PredictionBatch(**(fields | other))


def fresh() -> Settlements:
    """Return one partition's settlements, nothing seen yet."""
    return Settlements(HORIZONS_S, LEVELS, halflife_s=60.0)


def voids(settled: list[Settlement]) -> list[tuple[int, int, dict[str, list[str]]]]:
    """Return horizon, origin and void entries of what was settled."""
    return [(one.horizon_s, one.origin, one.void) for one in settled]


def score(scores: list[Score], model: str, symbol: str, horizon_s: int) -> Score:
    """Return the one score asked for."""
    return next(s for s in scores if (s.model, s.symbol, s.horizon_s) == (model, symbol, horizon_s))


def test_a_forecast_is_settled_when_its_horizon_is_over() -> None:
    """From 100 to 101 in one second: the log return is ln 1.01, and both forecasters are judged by it."""
    settlements = fresh()
    assert settlements.settle(batch(10, {"BTCUSDT": 100.0})) == ([], [], {"1": 0, "3": 0, "7": 0})
    settled, scores, totals = settlements.settle(batch(11, {"BTCUSDT": 101.0}))
    move = math.log(1.01)
    assert (settled[0].horizon_s, settled[0].origin, settled[0].symbols, settled[0].void) == (1, 10, ["BTCUSDT"], {})
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
    settlements = fresh()
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
    settlements = fresh()
    for now in (10, 11, 12):
        settlements.settle(batch(now, {"A": 1.0}))
    before = settlements.scores_record()
    with pytest.raises(ValueError, match=f"second {second} of partition 0 is not newer than 12"):
        settlements.settle(batch(second, {"A": 1.0}))
    assert settlements.scores_record() == before


def test_symbols_without_a_mid_then_or_now_are_void() -> None:
    """A had no mid when the forecast was made, B has none now: both unpriced, C is settled."""
    settlements = fresh()
    settlements.settle(batch(10, {"A": 0.0, "B": 2.0, "C": 1.0}))
    settled, scores, totals = settlements.settle(batch(11, {"A": 1.0, "B": 0.0, "C": 1.0}))
    assert settled == [Settlement(horizon_s=1, origin=10, symbols=["C"], realised=[0.0], void={"unpriced": ["A", "B"]})]
    assert totals["1"] == 1
    assert {s.symbol for s in scores} == {"*", "C"}


def test_symbols_that_come_have_no_forecast_and_those_that_go_no_mid() -> None:
    """Over one second B gives way to C: C is missing, B is unpriced, A is settled; places do not get mixed up."""
    settlements = fresh()
    settlements.settle(batch(10, {"B": 5.0, "A": 1.0}))
    settled, _, _ = settlements.settle(batch(11, {"A": 2.0, "C": 7.0}))
    assert settled[0].symbols == ["A"]
    assert settled[0].realised == pytest.approx([math.log(2)])
    assert settled[0].void == {"missing": ["C"], "unpriced": ["B"]}


def test_a_gap_makes_void_what_was_due_in_it_and_what_it_did_not_forecast() -> None:
    """Seconds 12 and 13 never come: forecasts due there are unpriced; forecasts due from there are missing."""
    settlements = fresh()
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
    settlements = fresh()
    for second in range(10, 20):
        settlements.settle(batch(second, {"A": 1.0}))
    settled, _, totals = settlements.settle(batch(10_819, {"A": 9.0}))
    unpriced = [one for one in settled if one.void == {"unpriced": ["*"]}]
    assert len(unpriced) == sum(HORIZONS_S)
    assert all(not one.symbols for one in settled)
    assert settlements.settle(batch(10_820, {"A": 9.0}))[2]["1"] == totals["1"] + 1


def test_a_newcomer_inherits_the_offsets_of_its_kind() -> None:
    """A ridge that was always too low has learned to sit higher; its successor starts there, the naive does not."""
    settlements = fresh()
    for second in range(40):
        settlements.settle(batch(second, {"A": math.exp(second * 1e-3)}))
    settlements.settle(batch(40, {"A": math.exp(0.04)}, models=[NAIVE, RIDGE, ("ridge-2", "ridge")]))
    calibration = calibration_of(settlements.scores_record())
    old, new = (calibration.offsets(name, "ridge", ["A"]) for name in ("ridge-1", "ridge-2"))
    assert old[0, 0, -1] > 1
    assert np.abs(old - new).max() < 0.5
    assert not calibration.offsets("tf-1", "tensorflow", ["A"]).any()


def test_models_and_symbols_long_gone_are_forgotten() -> None:
    """After twice the longest horizon without them, neither takes up room in the record."""
    settlements = fresh()
    settlements.settle(batch(0, {"A": 1.0, "GONE": 1.0}, models=[NAIVE, ("old", "ridge")]))
    for second in range(1, 16):
        settlements.settle(batch(second, {"A": 1.0}))
    record = msgspec.msgpack.decode(settlements.scores_record())
    assert record["symbols"] == ["A"]
    assert [model[0] for model in record["models"]] == ["naive", "ridge-1"]


def test_large_partitions_score_twenty_symbols_in_turn() -> None:
    """Of 45 symbols each second shows 20 and "*"; nine seconds show every symbol the same number of times."""
    settlements, seen = fresh(), dict[str, int]()
    mids = {f"S{place}": 1.0 for place in range(45)}
    for second in range(20):
        scores = [s for s in settlements.settle(batch(second, mids))[1] if (s.model, s.horizon_s) == ("naive", 1)]
        if second >= 11:
            assert len(scores) == 21
            for one in scores:
                seen[one.symbol] = seen.get(one.symbol, 0) + 1
    assert seen == dict.fromkeys(mids, 4) | {"*": 9}


def test_roles_are_those_of_the_newest_batch() -> None:
    """A challenger promoted this second is scored as champion this second."""
    settlements = fresh()
    settlements.settle(batch(1, {"A": 1.0}, forecasts=[forecast(NAIVE, [0.0]), forecast(RIDGE, [0.0], "challenger")]))
    _, scores, _ = settlements.settle(batch(2, {"A": 1.0}, forecasts=[forecast(RIDGE, [0.0], "champion")]))
    assert {(s.model, s.role) for s in scores} == {("ridge-1", "champion")}


def test_a_partition_without_symbols_or_forecasters_is_no_trouble() -> None:
    """Empty batches pass, and what follows is settled."""
    settlements = fresh()
    settlements.settle(batch(1, {}))
    settlements.settle(batch(2, {"A": 1.0}, models=[]))
    settlements.settle(batch(3, {"A": 1.0}))
    settled, _, totals = settlements.settle(batch(4, {"A": 1.0}))
    assert voids(settled) == [(1, 3, {}), (3, 1, {"missing": ["A"]})]
    assert totals["1"] == 2


BAD_ROW = [[0.0] * 3, [0.0] * 2]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"mid": [1.0]}, r"mid has shape \(1,\), not \(2,\)"),
        ({"priced": [True]}, r"priced has shape \(1,\), not \(2,\)"),
        ({"volatility": [1e-4] * 3}, r"volatility has shape \(3,\), not \(2,\)"),
        ({"volatility": [1e-4, math.nan]}, "volatility holds values that are not finite"),
        ({"volatility": [1e-4, -1.0]}, "volatility must not be negative"),
        ({"mid": [1.0, -1.0]}, "mid must be positive where priced"),
        ({"mid": [1.0, math.inf]}, "mid holds values that are not finite"),
        ({"symbols": ["A", "A"]}, r"symbols repeat: \['A'\]"),
        ({"horizons_s": [1, 3]}, "predictions are for horizons"),
        ({"levels": [0.1, 0.5, 0.9]}, "predictions are for horizons"),
        ({"forecasts": [forecast(RIDGE, [0.0])]}, r"mean of ridge-1 has shape \(1, 3\), not \(2, 3\)"),
        ({"forecasts": [forecast(RIDGE, [0.0, math.nan])]}, "mean of ridge-1 holds values that are not finite"),
        ({"forecasts": [forecast(RIDGE, [0.0, 1e300])]}, "mean of ridge-1 holds values that are not finite"),
        ({"forecasts": [forecast(RIDGE, [0.0, 0.0])] * 2}, "forecasts' models repeat"),
        (
            {"forecasts": [msgspec.structs.replace(forecast(RIDGE, [0.0, 0.0]), mean=BAD_ROW)]},
            r"mean of ridge-1 is not \(2, 3\) numbers",
        ),
    ],
)
def test_a_batch_that_does_not_fit_is_refused_with_its_reason_and_changes_nothing(
    change: dict[str, Any], reason: str
) -> None:
    """One clear sentence for the dead letters; the records before and after are the same bytes."""
    settlements = fresh()
    for second in range(5):
        settlements.settle(batch(second, {"A": 1.0, "B": 2.0}))
    before = settlements.scores_record()
    with pytest.raises(ValueError, match=reason):
        settlements.settle(batch(5, {"A": 1.0, "B": 2.0}, **change))
    assert (settlements.scores_record(), settlements.last) == (before, 4)
    assert [one.origin for one in settlements.settle(batch(5, {"A": 1.0, "B": 2.0}))[0]] == [4, 2]


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
    batches, before, ring = story(seed, 70), fresh(), dict[int, bytes]()
    records: list[tuple[int, bytes | None]] = [(batches[0].second - 1, None)]
    for now in batches[:cut]:
        before.settle(now)
        ring[now.second % RING] = before.pending_record(now)
        records.append((now.second, before.scores_record()))
    after = fresh()
    after.restore(reversed(ring.values()), next(kept for at, kept in records if at > batches[cut - 1].second - age_s))
    assert (after.last, after.scores_record()) == (before.last, before.scores_record())
    for now in batches[cut:]:
        assert after.settle(now) == before.settle(now)
        assert after.pending_record(now) == before.pending_record(now)
        assert after.scores_record() == before.scores_record()


def test_changed_horizons_start_learning_afresh_but_settle_nothing_twice() -> None:
    """Records of other horizons leave nothing but the newest second."""
    old = fresh()
    old.settle(batch(7, {"A": 1.0}))
    new = Settlements((2, 4), LEVELS)
    new.restore([old.pending_record(batch(7, {"A": 1.0}))], old.scores_record())
    assert new.last == 7
    settled, scores, totals = new.settle(batch(8, {"A": 1.0}, models=[], horizons_s=[2, 4]))
    assert (settled, scores, totals) == ([], [], {"2": 0, "4": 0})


def test_there_is_no_scores_record_before_the_first_second() -> None:
    """Nothing learned, nothing to keep: said in one sentence."""
    with pytest.raises(ValueError, match="no scores record before the first second"):
        fresh().scores_record()
