"""Online conformal calibration of quantile forecasts.

What enters: which outcomes fell below the quantiles that were issued. What leaves: offsets, one per model, symbol,
horizon and level, in units of volatility·√horizon, and quantiles corrected by them.

The rule is quantile tracking: offset += η·(τ − 1{y < issued quantile}). It needs no assumption on the data: with a
constant η, whatever the market does, the share of outcomes below differs from τ by |offset's drift| ÷ (η·outcomes).
Gibbs & Candès 2021, "Adaptive conformal inference under distribution shift"; Angelopoulos, Candès & Tibshirani 2023,
"Conformal PID control". What is particular here, with the simulation behind it in tests/domain/test_calibration.py:

- Outcomes of horizon h overlap and arrive h seconds late, so the step is proportional to 1/h: it then acts on
  independent outcomes, and past the start stays far below the π/2 at which a delayed loop begins to swing.
- The step starts large and falls with the number of outcomes to a floor (Angelopoulos, Barber & Bates 2024, "Online
  conformal prediction with decaying step sizes"). It grows while the issued interval is much too wide, as an
  interval that nothing leaves teaches little per outcome. Past the start η is constant but for such intervals.
- A scale that is wrong is wrong at every horizon: until it has outcomes of its own, a horizon follows the next shorter.
- The median is left alone, and no quantile is pushed further inwards once it touches its inner neighbour.
"""

from collections.abc import Sequence
from statistics import NormalDist

import msgspec
import numpy as np

from app.domain.axes import F32, F64, NEW, Bools, Cells, Ints, taken

FIRST_STEP = 4.0  # × 1/h, at the first outcome
STEP = 0.2  # × 1/h, for ever after
WARM_S, WARM_HORIZONS = 30.0, 3.0  # the step has halved after so many outcomes plus so many horizons of them
FOLLOW_HORIZONS = 3.0  # until it has seen so many horizons of outcomes, a horizon takes the offsets of the next shorter
BOUND = 10.0  # of an offset, in units of volatility·√horizon
WIDE = 1.25  # × the normal quantile: beyond this an issued quantile is taken for too wide, and the step grows
WIDEST = 4.0  # times the step, at most
PLACE = 0.1  # of a one-sided miss moves the interval; the rest changes its width


def central(levels: Sequence[float]) -> int:
    """Return the place of the median; ValueError unless the levels rise, mirror each other and include 0.5."""
    mirrored = [1.0 - level for level in reversed(levels)]
    if list(levels) != sorted(set(levels)) or not np.allclose(levels, mirrored) or 0.5 not in levels:
        raise ValueError(f"quantile levels must rise, mirror each other and include 0.5, not {tuple(levels)}")
    return list(levels).index(0.5)


def corrected(quantiles: F64, volatility: F64, offsets: F64, horizons_s: Sequence[int], middle: int) -> F64:
    """Return quantiles [S,H,Q] moved by offsets [S,H,Q], log returns; median unmoved, outer never inside inner ones.

    `volatility` [S] is that of the log price per √second.
    """
    scale = volatility[:, None] * np.sqrt(np.asarray(horizons_s, np.float64))
    out = quantiles + offsets * scale[..., None]
    out[..., middle] = quantiles[..., middle]
    out[..., middle::-1] = np.minimum.accumulate(out[..., middle::-1], axis=-1)
    out[..., middle:] = np.maximum.accumulate(out[..., middle:], axis=-1)
    return out


class Calibrated(msgspec.Struct, frozen=True, gc=False):
    """The part of a scores record that carries the calibration; arrays as raw little-endian bytes."""

    horizons_s: tuple[int, ...]
    levels: tuple[float, ...]
    symbols: list[str]
    models: list[tuple[str, str, int]]  # id, kind, newest second seen
    offsets: bytes  # float32 [H,M,S,Q]


class Calibration:
    """Offsets as they stood at one second, to read. What enters: a scores record; see `calibration_of`."""

    def __init__(self, record: Calibrated) -> None:
        self.horizons_s, self.levels = record.horizons_s, record.levels
        self._middle = central(record.levels)
        self._models = record.models
        self._row = {symbol: row for row, symbol in enumerate(record.symbols)}
        shape = (len(record.horizons_s), len(record.models), len(record.symbols), len(record.levels))
        self._offsets = np.frombuffer(record.offsets, np.float32).reshape(shape)

    def offsets(self, model: str, kind: str, symbols: Sequence[str]) -> F64:
        """Return [S,H,Q] in units of volatility·√horizon; a new model begins with those of the newest of its kind.

        Zeros where nothing is known: a symbol without outcomes, the first model of a kind.
        """
        rows = np.fromiter((self._row.get(symbol, NEW) for symbol in symbols), np.int64, len(symbols))
        out = np.zeros((len(symbols), len(self.horizons_s), len(self.levels)))
        slot = predecessor(self._models, model, kind)
        if slot != NEW and self._row:
            out[:] = self._offsets[:, slot, rows].swapaxes(0, 1)
            out[rows == NEW] = 0.0
        return out

    def corrected(self, quantiles: F64, volatility: F64, offsets: F64) -> F64:
        """Return quantiles [S,H,Q], log returns, moved by offsets [S,H,Q]: see the function of this name."""
        return corrected(quantiles, volatility, offsets, self.horizons_s, self._middle)


def calibration_of(scores_record: bytes) -> Calibration:
    """Return the calibration inside a scores record (`Settlements.scores_record`)."""
    return Calibration(msgspec.msgpack.decode(scores_record, type=Calibrated))


def predecessor(models: Sequence[tuple[str, str, int]], model: str, kind: str) -> int:
    """Return the place of a model, else of the one of its kind seen last, else NEW. `models`: (id, kind, seen)."""
    ranked = (
        (name == model, seen, slot) for slot, (name, of, seen) in enumerate(models) if model == name or of == kind
    )
    return max(ranked, default=(False, 0, NEW))[2]


def mostly_width(push: F32) -> F32:
    """Return pushes [..., Q] of which mirrored levels share the change of width; of the change of place a part is kept.

    Which side was missed says little about the next outcome: overlapping outcomes of one trend miss on one side for
    minutes, and an interval that follows them leaves the mid. The sum of both sides' misses is what width answers to.
    """
    width, place = (push - push[..., ::-1]) / 2, (push + push[..., ::-1]) / 2
    moved: F32 = np.asarray(width + PLACE * place, np.float32)
    return moved


class Tracker:
    """The offsets while they are learned: float32 [H,M,S,Q], and the outcomes each cell has seen [H,M,S]."""

    def __init__(self, horizons_s: Sequence[int], levels: Sequence[float]) -> None:
        self._horizon = np.asarray(horizons_s, np.float32)
        self._warm = np.float32(WARM_S) + np.float32(WARM_HORIZONS) * self._horizon
        self._level = np.asarray(levels, np.float32)
        self._middle = central(levels)
        usual = [NormalDist().inv_cdf(level) for level in levels]
        self._wide = np.maximum(WIDE * np.abs(np.asarray(usual, np.float32)), np.float32(1e-6))
        self.offsets: F32 = np.zeros((len(horizons_s), 0, 0, len(levels)), np.float32)
        self.seen: F32 = np.zeros((len(horizons_s), 0, 0), np.float32)

    def rearrange(self, models: Sequence[int], inherited: Sequence[int], symbols: Sequence[int]) -> None:
        """Follow the models and symbols to new places; `inherited`: a new model's predecessor, whose offsets it takes.

        Of their age it takes only the warm-up's worth, so that its own outcomes can soon move them again.
        """
        self.offsets = taken(taken(self.offsets, 1, inherited), 2, symbols)
        self.seen = taken(taken(self.seen, 1, inherited), 2, symbols)
        fresh = np.flatnonzero(np.asarray(models) == NEW)
        self.seen[:, fresh] = np.minimum(self.seen[:, fresh], self._warm[:, None, None])

    def update(self, at: Cells, horizons: Ints, below: F32, issued: F32, scale: F32, settled: Bools) -> None:
        """Learn from outcomes: `below` and `issued` [H',M',S',Q], `scale` and `settled` [H',S'] of the cells `at`.

        `below` is 1 where the outcome fell below the issued quantile, ½ on it; `scale` is volatility·√horizon.
        """
        usable = (settled & (scale > 0))[:, None, :]
        step = self._step(self.seen[at], horizons)[..., None] * self._stretch(issued, scale)
        push = mostly_width(step * (self._level - below))
        push *= ~self._pinned(issued, push)
        push *= usable[..., None]
        self.offsets[at] = np.clip(self.offsets[at] + push, -BOUND, BOUND)
        self.seen[at] += usable
        self._follow()

    def _follow(self) -> None:
        """Let young horizons take over from the next shorter one: few outcomes of their own say less than its many."""
        for place in range(1, len(self._horizon)):
            young = self.seen[place] < FOLLOW_HORIZONS * self._horizon[place]
            if young.any():
                self.offsets[place] = np.where(young[..., None], self.offsets[place - 1], self.offsets[place])

    def _step(self, seen: F32, horizons: Ints) -> F32:
        decayed = np.float32(FIRST_STEP) / (1 + seen / self._warm[horizons, None, None])
        step: F32 = (np.maximum(decayed, np.float32(STEP)) / self._horizon[horizons, None, None]).astype(np.float32)
        return step

    def _stretch(self, issued: F32, scale: F32) -> F32:
        """Return how many times the usual step each quantile takes: more, the further it lies from the median."""
        unit = np.where(scale > 0, scale, np.float32(np.inf))[:, None, :, None]
        width = np.abs(issued - issued[..., self._middle, None]) / unit
        stretch: F32 = np.clip(width / self._wide, np.float32(1), np.float32(WIDEST))
        return stretch

    def _pinned(self, issued: F32, push: F32) -> Bools:
        """Return where a push would go on into the inner neighbour; true at the median, which stays."""
        middle, touching = self._middle, np.diff(issued, axis=-1) <= 0
        out = np.zeros(issued.shape, np.bool_)
        out[..., :middle] = touching[..., :middle] & (push[..., :middle] > 0)
        out[..., middle + 1 :] = touching[..., middle:] & (push[..., middle + 1 :] < 0)
        out[..., middle] = True
        return out
