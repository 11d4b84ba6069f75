"""Everything learned from the outcomes of one partition: calibration, scores and totals, with its record."""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from app.domain.array_index import ArrayIndex, Models
from app.domain.arrays import ABSENT, F32, Ints, cell_index
from app.domain.calibration import Calibration, QuantileTracker
from app.domain.scoring import ALL_SYMBOLS, Outcomes, RunningScores
from app.records import Forecast, Score


class OutcomeStateRecord(msgspec.Struct, frozen=True, gc=False):
    """The scores record; arrays as raw little-endian bytes."""

    horizons_s: tuple[int, ...]
    levels: tuple[float, ...]
    first: int  # the oldest second: forecasts are due from there on
    last: int  # the newest second settled
    symbols: list[str]
    models: list[tuple[str, str, int]]  # id, kind, newest second seen
    symbols_seen: bytes  # int64 [S]
    totals: bytes  # int64 [H]
    offsets: bytes  # float32 [H,M,S,Q]
    outcomes: bytes  # float32 [H,M,S]
    sums: bytes  # float32 [H,M,1+S,K]
    counts: bytes  # int64 [H,M,1+S]
    blocks: bytes  # int64 [H]
    blocks_open: bytes  # float32 [H,M,1+S,3]
    blocks_closed: bytes  # float32 [H,M,1+S,7]


class OutcomeState:
    """Calibration, scores and totals over the same models and symbols.

    Models and symbols not seen for twice the longest horizon are dropped, with everything learned about them.
    """

    def __init__(self, horizons_s: tuple[int, ...], levels: tuple[float, ...], halflife_s: float) -> None:
        self._horizons_s, self._levels = horizons_s, levels
        self._root = np.sqrt(np.asarray(horizons_s, np.float32))
        self._totals: Ints = np.zeros(len(horizons_s), np.int64)
        self._index = ArrayIndex(2 * max(horizons_s))
        self._tracker = QuantileTracker(horizons_s, levels)
        self._scoring = RunningScores(horizons_s, levels, halflife_s)

    def prepare(self, second: int, models: Models, symbols: Sequence[str]) -> None:
        """Add one second's models and symbols, and close the blocks of losses that ended before it."""
        if reindexing := self._index.update(second, models, symbols):
            self._tracker.reindex(reindexing.models, reindexing.predecessors, reindexing.symbols)
            self._scoring.reindex(reindexing.models, reindexing.symbols)
        self._scoring.blocks.close(second)

    def update(
        self, horizons: Ints, models: Models, symbols: Sequence[str], outcomes: Outcomes, volatility: F32
    ) -> None:
        """Learn from the outcomes of some horizons; `volatility` [H',S'] is that of the seconds of the forecasts."""
        models_at = self._index.model_positions([model for model, _ in models])
        rows, below = self._index.symbol_positions(symbols), outcomes.below()
        scale = volatility * self._root[horizons, None]
        at = cell_index(self._tracker.offsets.shape, horizons, models_at, rows)
        self._tracker.update(at, horizons, below, outcomes.quantiles, scale, outcomes.settled)
        self._scoring.update(
            cell_index(self._scoring.sums.shape, horizons, models_at, _with_all(rows)), outcomes, below
        )
        self._totals[horizons] += outcomes.settled.sum(axis=1)

    def calibration(self) -> Calibration:
        """Return the offsets as they are now; they change with the next outcomes."""
        index = self._index
        return Calibration(self._horizons_s, self._levels, index.models, index.row, self._tracker.offsets)

    def totals(self) -> dict[str, int]:
        """Return horizon → (symbol, second) pairs settled since the beginning."""
        return dict(zip(map(str, self._horizons_s), self._totals.tolist(), strict=True))

    def scores(self, forecasts: Sequence[Forecast], symbols: Sequence[str]) -> list[Score]:
        """Return the scores of forecasters, for "*" and these symbols, at every horizon."""
        models_at = self._index.model_positions([forecast.model for forecast in forecasts])
        rows, horizons = _with_all(self._index.symbol_positions(symbols)), np.arange(len(self._horizons_s))
        at = cell_index(self._scoring.sums.shape, horizons, models_at, rows)
        models = [(forecast.model, forecast.kind, forecast.role) for forecast in forecasts]
        return self._scoring.rows(at, horizons, models, [ALL_SYMBOLS, *symbols])

    def record(self, first: int, last: int) -> bytes:
        """Return the scores record as of second `last`."""
        index = self._index
        arrays = {name: array.tobytes() for name, array in self._arrays().items()}
        return msgspec.msgpack.encode(
            OutcomeStateRecord(
                horizons_s=self._horizons_s,
                levels=self._levels,
                first=first,
                last=last,
                symbols=index.symbols,
                models=index.models,
                symbols_seen=index.symbols_seen.tobytes(),
                **arrays,
            )
        )

    def restore(self, state: OutcomeStateRecord) -> None:
        """Restore the state from a record of the same horizons and levels."""
        seen = np.frombuffer(state.symbols_seen, np.int64).copy()
        self._index = ArrayIndex(self._index.patience_s, state.models, state.symbols, seen)
        models, symbols = [ABSENT] * len(state.models), [ABSENT] * len(state.symbols)
        self._tracker.reindex(models, models, symbols)
        self._scoring.reindex(models, symbols)
        for name, array in self._arrays().items():
            array[...] = np.frombuffer(getattr(state, name), array.dtype).reshape(array.shape)

    def _arrays(self) -> dict[str, NDArray[np.float32] | NDArray[np.int64]]:
        blocks = self._scoring.blocks
        return {
            "totals": self._totals,
            "offsets": self._tracker.offsets,
            "outcomes": self._tracker.seen,
            "sums": self._scoring.sums,
            "counts": self._scoring.counts,
            "blocks": blocks.current,
            "blocks_open": blocks.open,
            "blocks_closed": blocks.closed,
        }


def _with_all(rows: Ints) -> Ints:
    """Return the rows of the scores that belong to symbols' rows, "*" first."""
    return np.concatenate([np.zeros(1, np.int64), rows + 1])
