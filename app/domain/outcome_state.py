"""Everything learned from one partition's outcomes: calibration, scores, totals. What leaves: the scores record.

What enters: outcomes of one second, models and symbols as they come and go, or a scores record.
"""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from app.domain.array_index import ArrayIndex, Models
from app.domain.axes import F32, NEW, Ints, cells
from app.domain.calibration import Tracker
from app.domain.scoring import ALL, Outcomes, Scoring
from app.records import Forecast, Score


class OutcomeStateRecord(msgspec.Struct, frozen=True, gc=False):
    """The scores record; arrays as raw little-endian bytes. `calibration.Calibrated` reads a part of it."""

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

    Models and symbols not seen for twice the longest horizon are forgotten, with all they had.
    """

    def __init__(self, horizons_s: tuple[int, ...], levels: tuple[float, ...], halflife_s: float) -> None:
        self._horizons_s, self._levels = horizons_s, levels
        self._root = np.sqrt(np.asarray(horizons_s, np.float32))
        self._totals: Ints = np.zeros(len(horizons_s), np.int64)
        self._roster = ArrayIndex(2 * max(horizons_s))
        self._tracker = Tracker(horizons_s, levels)
        self._scoring = Scoring(horizons_s, levels, halflife_s)

    def begin(self, second: int, models: Models, symbols: Sequence[str]) -> None:
        """Make room for one second's models and symbols, and close the blocks of losses that ended before it."""
        if move := self._roster.arrange(second, models, symbols):
            self._tracker.rearrange(move.models, move.inherited, move.symbols)
            self._scoring.rearrange(move.models, move.symbols)
        self._scoring.blocks.close(second)

    def learn(
        self, horizons: Ints, models: Models, symbols: Sequence[str], outcomes: Outcomes, volatility: F32
    ) -> None:
        """Learn from the outcomes of some horizons; `volatility` [H',S'] was that of the forecasts' seconds."""
        slots = self._roster.slots([model for model, _ in models])
        rows, below = self._roster.rows(symbols), outcomes.below()
        scale = volatility * self._root[horizons, None]
        at = cells(self._tracker.offsets.shape, horizons, slots, rows)
        self._tracker.update(at, horizons, below, outcomes.quantiles, scale, outcomes.settled)
        self._scoring.update(cells(self._scoring.sums.shape, horizons, slots, _with_all(rows)), outcomes, below)
        self._totals[horizons] += outcomes.settled.sum(axis=1)

    def totals(self) -> dict[str, int]:
        """Return horizon → (symbol, second) pairs settled since the beginning."""
        return dict(zip(map(str, self._horizons_s), self._totals.tolist(), strict=True))

    def scores(self, forecasts: Sequence[Forecast], symbols: Sequence[str]) -> list[Score]:
        """Return the scores of forecasters, for "*" and these symbols, at every horizon."""
        slots = self._roster.slots([forecast.model for forecast in forecasts])
        rows, horizons = _with_all(self._roster.rows(symbols)), np.arange(len(self._horizons_s))
        at = cells(self._scoring.sums.shape, horizons, slots, rows)
        models = [(forecast.model, forecast.kind, forecast.role) for forecast in forecasts]
        return self._scoring.rows(at, horizons, models, [ALL, *symbols])

    def record(self, first: int, last: int) -> bytes:
        """Return the scores record as of second `last`."""
        roster = self._roster
        arrays = {name: array.tobytes() for name, array in self._arrays().items()}
        return msgspec.msgpack.encode(
            OutcomeStateRecord(
                horizons_s=self._horizons_s,
                levels=self._levels,
                first=first,
                last=last,
                symbols=roster.symbols,
                models=roster.models,
                symbols_seen=roster.seen.tobytes(),
                **arrays,
            )
        )

    def load(self, state: OutcomeStateRecord) -> None:
        """Take up the state of a record of the same horizons and levels."""
        seen = np.frombuffer(state.symbols_seen, np.int64).copy()
        self._roster = ArrayIndex(self._roster.patience_s, state.models, state.symbols, seen)
        models, symbols = [NEW] * len(state.models), [NEW] * len(state.symbols)
        self._tracker.rearrange(models, models, symbols)
        self._scoring.rearrange(models, symbols)
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
