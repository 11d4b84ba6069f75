"""Online conformal calibration: simulated markets and models, coverage of what would have been issued."""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import pytest

from app.domain.arrays import ABSENT, F32, F64, cell_index
from app.domain.calibration import (
    Calibration,
    QuantileTracker,
    corrected,
    median_position,
    predecessor_position,
)

HORIZONS_S = (5, 10, 30, 60, 300)
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
NORMAL = np.array([NormalDist().inv_cdf(level) for level in LEVELS])
SYMBOLS, SECONDS, REGIME_S = 32, 8100, 1800


@dataclass(frozen=True)
class Market:
    """A martingale of one second's steps, and a model that multiplies a normal's quantiles by `scale`."""

    garch: bool = False
    tails: bool = False  # Student-t with three degrees of freedom
    regimes: bool = False  # volatility × 3 every other half hour
    scale: float = 1.0
    halflife_s: float = 60.0  # of the EWMA volatility the model knows
    seed: int = 2026

    def steps(self) -> F64:
        """Return log returns [T,S]."""
        rng = np.random.default_rng(self.seed)
        shape = (SECONDS, SYMBOLS)
        shocks = rng.standard_t(3, shape) / np.sqrt(3) if self.tails else rng.standard_normal(shape)
        if self.garch:
            variance = np.ones(SYMBOLS)
            for row in shocks:
                row *= np.sqrt(variance)
                variance = 0.002 + 0.02 * np.minimum(row**2, 30) + 0.978 * variance
        regime = (np.arange(SECONDS) // REGIME_S) % 2 if self.regimes else np.zeros(SECONDS)
        return 1e-4 * shocks * np.where(regime, 3.0, 1.0)[:, None]


def coverage(market: Market) -> F32:
    """Return whether each outcome fell inside the issued 90 % interval: [T,H,S], NaN before the first."""
    steps = market.steps()
    path = np.cumsum(steps, axis=0)
    keep = 0.5 ** (1 / market.halflife_s)
    root, variance = np.sqrt(np.asarray(HORIZONS_S)), np.full(SYMBOLS, 1e-8)
    tracker = QuantileTracker(HORIZONS_S, LEVELS)
    tracker.reindex([ABSENT], [ABSENT], [ABSENT] * SYMBOLS)
    issued = np.zeros((SECONDS, len(HORIZONS_S), SYMBOLS, len(LEVELS)), np.float32)
    scales = np.zeros((SECONDS, len(HORIZONS_S), SYMBOLS), np.float32)
    inside = np.full((SECONDS, len(HORIZONS_S), SYMBOLS), np.nan, np.float32)
    for now in range(SECONDS):
        variance = keep * variance + (1 - keep) * steps[now] ** 2
        volatility = np.sqrt(variance)
        scales[now] = root[:, None] * volatility
        model = market.scale * NORMAL * scales[now].T[..., None]
        offsets = tracker.offsets[:, 0].swapaxes(0, 1).astype(np.float64)
        issued[now] = corrected(model, volatility, offsets, HORIZONS_S, 2).swapaxes(0, 1)
        due = np.array([h for h, horizon in enumerate(HORIZONS_S) if horizon <= now], np.int64)
        if not len(due):
            continue
        then = now - np.asarray(HORIZONS_S)[due]
        quantiles, outcome = issued[then, due], (path[now] - path[then]).astype(np.float32)
        below = (outcome[..., None] < quantiles).astype(np.float32)[:, None]
        at = cell_index((0, 0, 0), due, [0], np.arange(SYMBOLS))
        everything = np.ones(outcome.shape, np.bool_)
        tracker.update(at, due, below, quantiles[:, None], scales[then, due], everything)
        inside[now, due] = (outcome >= quantiles[..., 0]) & (outcome <= quantiles[..., -1])
    return inside


@pytest.mark.parametrize(
    "market",
    [
        Market(garch=True),
        Market(garch=True, tails=True),
        Market(tails=True, regimes=True),
        Market(garch=True, scale=0.3),
        Market(tails=True, scale=3.0),
    ],
    ids=["garch", "garch-t3", "regimes-t3", "garch-x0.3", "t3-x3"],
)
def test_ninety_percent_intervals_cover_88_to_92_percent_over_two_hours(market: Market) -> None:
    """Whatever the market and however bad the model's scale, at every horizon from 5 to 300 s, cold start included."""
    share = np.nanmean(coverage(market), axis=(0, 2))
    assert share.min() >= 0.88, share
    assert share.max() <= 0.92, share


def test_coverage_holds_within_each_volatility_regime_at_short_horizons() -> None:
    """Half hours of tripled volatility are covered like calm ones, at 5 and 10 s, within two points."""
    inside = coverage(Market(regimes=True))
    wild = (np.arange(SECONDS) // REGIME_S) % 2 == 1
    for part in (wild, ~wild):
        share = np.nanmean(inside[part][:, :2], axis=(0, 2))
        assert np.abs(share - 0.9).max() < 0.02, share


def test_a_model_three_times_too_narrow_is_put_right_within_two_minutes() -> None:
    """From a cold start: 38 % would be covered; between 120 and 300 s at least 86 % are, from 5 to 60 s."""
    share = np.nanmean(coverage(Market(scale=0.3))[120:300, :4], axis=(0, 2))
    assert share.min() > 0.86, share


def one_cell(seen: float = 1e6) -> QuantileTracker:
    """Return a tracker of one horizon, model and symbol that has long been running."""
    tracker = QuantileTracker((10,), LEVELS)
    tracker.reindex([ABSENT], [ABSENT], [ABSENT])
    tracker.seen[:] = seen
    return tracker


def learn(tracker: QuantileTracker, below: list[float], issued: list[float], scale: float = 1.0) -> list[float]:
    """Return the offsets after one outcome."""
    at = (slice(None), slice(None), slice(None))
    shape, f32 = (1, 1, 1, 5), np.float32
    settled = np.ones((1, 1), np.bool_)
    arrays = np.array(below, f32).reshape(shape), np.array(issued, f32).reshape(shape)
    tracker.update(at, np.zeros(1, np.int64), *arrays, np.full((1, 1), scale, f32), settled)
    return tracker.offsets.ravel().tolist()


def test_an_outcome_moves_the_width_of_each_interval_and_a_tenth_of_its_place() -> None:
    """An outcome between the lower two levels: steps of 0.2 ÷ 10 × (τ − 1{below}), shared by mirrored levels."""
    moved = learn(one_cell(), [0, 1, 1, 1, 1], [-1.6, -0.7, 0, 0.7, 1.6])
    wider, lower = (-0.25 + 0.75) / 2, (-0.75 - 0.25) / 2
    assert moved == pytest.approx(
        [0.02 * 0.05, 0.02 * (-wider + 0.1 * lower), 0, 0.02 * (wider + 0.1 * lower), 0.02 * -0.05]
    )


def test_a_trend_widens_intervals_but_hardly_moves_them() -> None:
    """Outcomes that fall below everything for a minute leave the interval around the mid, on both sides of it."""
    tracker, moved = one_cell(), [0.0] * 5
    for _second in range(60):
        moved = learn(tracker, [1, 1, 1, 1, 1], [-1.6, -0.7, 0, 0.7, 1.6])
    assert moved[0] < 0 < moved[4]
    assert abs(moved[0] + moved[4]) < 0.3 * (moved[4] - moved[0])


def test_quantiles_that_touch_their_inner_neighbour_are_not_pushed_on() -> None:
    """A market that stands still pins intervals at the median: offsets stay instead of winding up."""
    assert learn(one_cell(), [0, 0, 0.5, 1, 1], [0, 0, 0, 0, 0]) == [0, 0, 0, 0, 0]


def test_nothing_is_learned_without_a_scale() -> None:
    """With zero volatility an offset has no unit, so it does not move."""
    assert learn(one_cell(), [1, 1, 1, 1, 1], [-1, -0.5, 0, 0.5, 1], scale=0.0) == [0, 0, 0, 0, 0]


def test_corrected_quantiles_never_cross_and_keep_the_median() -> None:
    """Offsets that would carry quantiles across each other stop at the neighbour on the median's side."""
    quantiles = np.array([[[-2.0, -1.0, 0.1, 1.0, 2.0]]])
    offsets = np.array([[[3.0, 0.5, 7.0, -2.0, 1.0]]])
    moved = corrected(quantiles, np.array([1.0]), offsets, (1,), 2)
    assert moved.tolist() == [[[-0.5, -0.5, 0.1, 0.1, 3.0]]]


def test_a_new_model_takes_the_offsets_of_the_newest_of_its_kind() -> None:
    """A release inherits what its predecessor learned; an unknown symbol and an unknown kind start at zero."""
    offsets = np.arange(10, dtype=np.float32).reshape(1, 2, 1, 5)
    models = [("tf-1", "tensorflow", 7), ("tf-2", "tensorflow", 9)]
    calibration = Calibration((1,), LEVELS, models, {"BTCUSDT": 0}, offsets)
    assert calibration.offsets("tf-1", "tensorflow", ["BTCUSDT"]).tolist() == [[[0, 1, 2, 3, 4]]]
    assert calibration.offsets("tf-3", "tensorflow", ["BTCUSDT", "ABSENT"]).tolist() == [[[5, 6, 7, 8, 9]], [[0] * 5]]
    assert not calibration.offsets("ridge-1", "ridge", ["BTCUSDT"]).any()


def test_a_known_model_is_never_given_the_offsets_of_another() -> None:
    """The model's own position comes before newer ones of its kind."""
    models = [("tf-1", "tensorflow", 7), ("tf-2", "tensorflow", 9)]
    assert [predecessor_position(models, name, "tensorflow") for name in ("tf-1", "tf-2", "tf-3")] == [0, 1, 1]
    assert predecessor_position(models, "ridge-1", "ridge") == ABSENT


@pytest.mark.parametrize("levels", [(0.1, 0.9), (0.9, 0.5, 0.1), (0.1, 0.5, 0.8)])
def test_levels_must_rise_mirror_each_other_and_include_the_median(levels: tuple[float, ...]) -> None:
    """The correction rests on it, so anything else is refused by name."""
    with pytest.raises(ValueError, match=r"must rise, mirror each other and include 0\.5"):
        median_position(levels)
