"""The board's numeric history: bars, the champion's forecasts and what became of them, per partition.

What enters: decoded records; what leaves: columns of one symbol over time. Bounded in seconds and in bytes: when more
symbols appear, every ring keeps fewer seconds.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from app.board.records import Bars
from app.board.rings import Array, Field, Ring
from app.records import Forecast, OutcomeBatch, PredictionBatch

FLAGS = ("gapped", "late", "stale", "unpriced", "warming_up", "fallback", "model_expired")
LEAST_SECONDS = 60
SYMBOL_SECOND_BYTES = 400  # about what one symbol takes in all rings
_BITS = {flag: 1 << place for place, flag in enumerate(FLAGS)}


def marks_of(flags: list[list[str]]) -> Array:
    """Return each symbol's flags as bits, uint8 [S]; a flag this version does not know has none.

    >>> marks_of([[], ["gapped", "stale"]]).tolist()
    [0, 5]
    """
    return np.array([sum(_BITS.get(flag, 0) for flag in row) for row in flags], np.uint8)


def flags_of(mark: int) -> list[str]:
    """Return the flags of one symbol's bits.

    >>> flags_of(5)
    ['gapped', 'stale']
    """
    return [flag for flag, bit in _BITS.items() if mark & bit]


@dataclass(frozen=True)
class ForecastShape:
    """What the columns of the forecasts mean."""

    horizons_s: tuple[int, ...]
    levels: tuple[float, ...]


class PartitionHistory:
    """One partition's rings."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.bars: Ring | None = None
        self.channels: tuple[str, ...] = ()
        self.predictions: Ring | None = None
        self.outcomes: Ring | None = None

    @property
    def rings(self) -> list[Ring]:
        """Those that exist."""
        return [ring for ring in (self.bars, self.predictions, self.outcomes) if ring is not None]


class BoardHistory:
    """All lanes under one budget."""

    def __init__(self, history_s: int, max_bytes: int, shape: ForecastShape | None = None) -> None:
        self.capacity = history_s
        self.shape = shape  # what is expected, so that outcomes read before the first prediction count; or None
        self.models: list[str] = []  # a champion's place here is its number in the ring
        self.homes: dict[str, int] = {}  # symbol → partition
        self.lanes: dict[int, PartitionHistory] = {}
        self._max_bytes = max_bytes

    @property
    def size_bytes(self) -> int:
        """Bytes all rings hold."""
        return sum(ring.second_bytes * ring.capacity for lane in self.lanes.values() for ring in lane.rings)

    def affordable(self, symbols: int) -> int:
        """Return how many seconds of so many symbols the budget holds, before their shape is known."""
        return min(self.capacity, max(LEAST_SECONDS, self._max_bytes // max(symbols * SYMBOL_SECOND_BYTES, 1)))

    def _lane(self, partition: int) -> PartitionHistory:
        return self.lanes.setdefault(partition, PartitionHistory(self.capacity))

    def put_bars(self, batch: Bars) -> bool:
        """Store a second of bars; False if it is here already."""
        lane = self._lane(batch.partition)
        if lane.bars is None or set(batch.bars) != set(lane.channels):  # another release of the worker
            lane.channels = tuple(batch.bars)
            lane.bars = Ring({"bars": Field((len(lane.channels),)), "marks": Field((), "uint8", 0)}, self.capacity)
        if lane.bars.has(batch.second):
            return False
        rows = np.array([batch.bars[channel] for channel in lane.channels], np.float64).T
        self._make_room(lane.bars, batch.symbols)
        lane.bars.put(batch.second, batch.symbols, {"bars": rows, "marks": marks_of(batch.flags)})
        self.homes |= dict.fromkeys(batch.symbols, batch.partition)
        return True

    def put_predictions(self, batch: PredictionBatch) -> bool:
        """Store a second of the champion's forecasts; False if it is here already."""
        self._take_shape(ForecastShape(tuple(batch.horizons_s), tuple(batch.levels)))
        assert self.shape is not None
        lane = self._lane(batch.partition)
        if lane.predictions is None:
            lane.predictions = Ring(_prediction_fields(self.shape), self.capacity)
        if lane.predictions.has(batch.second):
            return False
        values: dict[str, Any] = {
            "mid": np.where(batch.priced, batch.mid, np.nan),
            "volatility": batch.volatility,
            "marks": marks_of(batch.flags),
        }
        champion = champion_of(batch)
        if champion is not None:
            values |= {"mean": champion.mean, "quantiles": champion.quantiles, "model": self._number(champion.model)}
        self._make_room(lane.predictions, batch.symbols)
        lane.predictions.put(batch.second, batch.symbols, values)
        self.homes |= dict.fromkeys(batch.symbols, batch.partition)
        return True

    def put_outcomes(self, batch: OutcomeBatch) -> None:
        """Store what was settled at the second the forecast was made; storing twice changes nothing."""
        if self.shape is None:
            return
        lane = self._lane(batch.partition)
        if lane.outcomes is None:
            lane.outcomes = Ring({"realised": Field((len(self.shape.horizons_s),), "float32")}, self.capacity)
        for settled in batch.settled:
            if settled.symbols and settled.horizon_s in self.shape.horizons_s:
                self._make_room(lane.outcomes, settled.symbols)
                place = lane.outcomes.claim(settled.origin, settled.symbols)
                if place is not None:
                    horizon = self.shape.horizons_s.index(settled.horizon_s)
                    lane.outcomes.arrays["realised"][place[0], place[1], horizon] = settled.realised

    def _take_shape(self, shape: ForecastShape) -> None:
        if self.shape != shape:  # the first batch, or other horizons than before: what was forecast for those goes
            self.shape = shape
            for lane in self.lanes.values():
                lane.predictions = lane.outcomes = None

    def _number(self, model: str) -> int:
        if model not in self.models:
            self.models.append(model)
        return min(self.models.index(model), 254)

    def _make_room(self, ring: Ring, symbols: list[str]) -> None:
        # Before a ring takes new symbols, all of them become so short that the budget holds.
        fresh = sum(symbol not in ring.columns for symbol in symbols)
        if not fresh:
            return
        a_second = fresh * ring.symbol_bytes + sum(
            one.second_bytes for lane in self.lanes.values() for one in lane.rings
        )
        affordable = max(LEAST_SECONDS, self._max_bytes // max(a_second, 1))
        if affordable < self.capacity:
            self.capacity = affordable
            for lane in self.lanes.values():
                for one in lane.rings:
                    one.resize(affordable)


def _prediction_fields(shape: ForecastShape) -> dict[str, Field]:
    horizons, levels = len(shape.horizons_s), len(shape.levels)
    return {
        "mid": Field(),
        "volatility": Field((), "float32"),
        "mean": Field((horizons,), "float32"),
        "quantiles": Field((horizons, levels), "float32"),
        "marks": Field((), "uint8", 0),
        "model": Field((), "uint8", 255),
    }


def champion_of(batch: PredictionBatch) -> Forecast | None:
    """Return the forecast that is served: the champion's, or the first one when it is missing."""
    named = (forecast for forecast in batch.forecasts if forecast.model == batch.champion)
    return next(named, batch.forecasts[0] if batch.forecasts else None)
