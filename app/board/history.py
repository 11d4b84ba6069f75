"""The board's numeric history: bars, the champion's forecasts and their outcomes, in ring buffers per partition.

It is bounded in seconds and in bytes: when more symbols appear, every ring keeps fewer seconds.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from app.board.records import Bars
from app.board.rings import Array, Field, Ring
from app.records import Forecast, OutcomeBatch, PredictionBatch

FLAGS = ("gapped", "late", "stale", "unpriced", "warming_up", "fallback", "model_expired")
LEAST_SECONDS = 60
SYMBOL_SECOND_BYTES = 424  # about what one symbol takes in all rings
_BITS = {flag: 1 << bit for bit, flag in enumerate(FLAGS)}


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

    @property
    def oldest_bar(self) -> int | None:
        """The oldest second of bars; None without any."""
        return self.bars.oldest if self.bars else None

    @property
    def oldest_prediction(self) -> int | None:
        """The oldest second of predictions; None without any."""
        return self.predictions.oldest if self.predictions else None


class BoardHistory:
    """The history of every partition, under one budget."""

    def __init__(self, history_s: int, max_bytes: int, shape: ForecastShape | None = None) -> None:
        self.capacity = history_s
        self.shape = shape  # what is expected, so that outcomes read before the first prediction count; or None
        self.models: list[str] = []  # a champion's index here is its number in the ring
        self.partition_of: dict[str, int] = {}  # symbol → partition
        self.partitions: dict[int, PartitionHistory] = {}
        self._max_bytes = max_bytes

    @property
    def size_bytes(self) -> int:
        """Bytes all rings hold."""
        return sum(
            ring.second_bytes * ring.capacity for partition in self.partitions.values() for ring in partition.rings
        )

    def affordable_s(self, symbols: int) -> int:
        """Return how many seconds of so many symbols the budget holds, before their shape is known."""
        return min(self.capacity, max(LEAST_SECONDS, self._max_bytes // max(symbols * SYMBOL_SECOND_BYTES, 1)))

    def _partition(self, number: int) -> PartitionHistory:
        return self.partitions.setdefault(number, PartitionHistory(self.capacity))

    def store_bars(self, batch: Bars) -> bool:
        """Store a second of bars; False if it is stored already."""
        partition = self._partition(batch.partition)
        if partition.bars is None or set(batch.bars) != set(partition.channels):  # another release of the worker
            partition.channels = tuple(batch.bars)
            partition.bars = Ring(
                {"bars": Field((len(partition.channels),)), "marks": Field((), "uint8", 0)}, self.capacity
            )
        if partition.bars.has(batch.second):
            return False
        rows = np.array([batch.bars[channel] for channel in partition.channels], np.float64).T
        self._shrink_for(partition.bars, batch.symbols)
        partition.bars.store(batch.second, batch.symbols, {"bars": rows, "marks": marks_of(batch.flags)})
        self.partition_of |= dict.fromkeys(batch.symbols, batch.partition)
        return True

    def store_predictions(self, batch: PredictionBatch) -> bool:
        """Store a second of the champion's forecasts; False if it is stored already."""
        self._set_shape(ForecastShape(tuple(batch.horizons_s), tuple(batch.levels)))
        assert self.shape is not None
        partition = self._partition(batch.partition)
        if partition.predictions is None:
            partition.predictions = Ring(_prediction_fields(self.shape), self.capacity)
        if partition.predictions.has(batch.second):
            return False
        values: dict[str, Any] = {
            "mid": np.where(batch.priced, batch.mid, np.nan),
            "volatility": batch.volatility,
            "marks": marks_of(batch.flags),
        }
        champion = champion_of(batch)
        if champion is not None:
            values |= {
                "mean": champion.mean,
                "quantiles": champion.quantiles,
                "model": self._model_number(champion.model),
            }
        self._shrink_for(partition.predictions, batch.symbols)
        partition.predictions.store(batch.second, batch.symbols, values)
        self.partition_of |= dict.fromkeys(batch.symbols, batch.partition)
        return True

    def store_outcomes(self, batch: OutcomeBatch) -> None:
        """Store what was settled at the second the forecast was made; storing twice changes nothing."""
        if self.shape is None:
            return
        partition = self._partition(batch.partition)
        if partition.outcomes is None:
            partition.outcomes = Ring({"realised": Field((len(self.shape.horizons_s),), "float32")}, self.capacity)
        for settled in batch.settled:
            if settled.symbols and settled.horizon_s in self.shape.horizons_s:
                self._shrink_for(partition.outcomes, settled.symbols)
                reserved = partition.outcomes.reserve(settled.origin, settled.symbols)
                if reserved is not None:
                    horizon = self.shape.horizons_s.index(settled.horizon_s)
                    partition.outcomes.arrays["realised"][*reserved, horizon] = settled.realised

    def _set_shape(self, shape: ForecastShape) -> None:
        if self.shape != shape:  # the first batch, or other horizons than before: what was forecast for those goes
            self.shape = shape
            for partition in self.partitions.values():
                partition.predictions = partition.outcomes = None

    def _model_number(self, model: str) -> int:
        if model not in self.models:
            self.models.append(model)
        return min(self.models.index(model), 254)

    def _shrink_for(self, ring: Ring, symbols: list[str]) -> None:
        # Before a ring takes new symbols, all of them become so short that the budget holds.
        added = sum(symbol not in ring.columns for symbol in symbols)
        if not added:
            return
        a_second = added * ring.symbol_bytes + sum(
            one.second_bytes for partition in self.partitions.values() for one in partition.rings
        )
        affordable = max(LEAST_SECONDS, self._max_bytes // max(a_second, 1))
        if affordable < self.capacity:
            self.capacity = affordable
            for partition in self.partitions.values():
                for one in partition.rings:
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
