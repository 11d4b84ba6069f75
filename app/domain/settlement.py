"""Settling forecasts: what was said of this second, h seconds ago, against what came.

What enters: one partition's `PredictionBatch` of every second. What leaves: what was settled, running scores, and two
records to keep: the second's pending forecasts (`pending_record`) and everything learned (`scores_record`).

The scores record may be stored every second or now and then: `restore` replays the pending records that are newer, and
arrives at the same bits as if nothing had happened. So the ring of pending records must reach back the longest horizon
plus the seconds between two scores records.
"""

from collections.abc import Iterable, Sequence

import msgspec
import numpy as np

from app.domain.axes import NEW, Ints
from app.domain.outcome_state import OutcomeState, OutcomeStateRecord
from app.domain.pending import Packed, Pending, packed, unpacked
from app.domain.scoring import ALL, SLICE, Outcomes
from app.records import PredictionBatch, Score, Settlement

MISSING, UNPRICED = "missing", "unpriced"


class Settlements:
    """One partition's pending forecasts, and what was learned from those settled."""

    def __init__(self, horizons_s: tuple[int, ...], levels: tuple[float, ...], halflife_s: float = 3600.0) -> None:
        self._horizons_s, self._levels, self._halflife_s = tuple(horizons_s), tuple(levels), halflife_s
        self._reset()

    def _reset(self) -> None:
        self.last: int | None = None  # the newest second settled
        self._first: int | None = None
        self._pending: dict[int, Pending] = {}
        self._newest: Packed | None = None
        self._learned = OutcomeState(self._horizons_s, self._levels, self._halflife_s)

    def settle(self, batch: PredictionBatch) -> tuple[list[Settlement], list[Score], dict[str, int]]:
        """Settle what is due at this second and remember its forecasts.

        Returns what was settled by horizon (a void entry of "*" stands for every symbol of the partition), the scores
        of all symbols up to 20 and else of 20 in turn, always with "*", and (symbol, second) pairs settled since the
        beginning by horizon. ValueError, with the state as it was, for a batch that does not fit or is not newer than
        `last`.
        """
        if self.last is not None and batch.second <= self.last:
            raise ValueError(f"second {batch.second} of partition {batch.partition} is not newer than {self.last}")
        settled = self._advance(packed(batch, self._horizons_s, self._levels))
        scores = self._learned.scores(batch.forecasts, _turn(batch.symbols, batch.second))
        return settled, scores, self._learned.totals()

    def pending_record(self, batch: PredictionBatch) -> bytes:
        """Return a second's forecasts, packed, for its slot of the ring; ValueError for a batch that does not fit."""
        if self._newest is None or self._newest.second != batch.second:
            return msgspec.msgpack.encode(packed(batch, self._horizons_s, self._levels))
        return msgspec.msgpack.encode(self._newest)

    def scores_record(self) -> bytes:
        """Return everything learned, packed; ValueError before the first second."""
        if self.last is None:
            raise ValueError("there is no scores record before the first second is settled")
        return self._learned.record(self.last if self._first is None else self._first, self.last)

    def restore(self, pending: Iterable[bytes], scores: bytes | None) -> None:
        """Take up the state of the newest pending record: that of the scores record, and newer seconds replayed.

        Pending records in any order, outdated ones are ignored. After a change of horizons or levels learning starts
        afresh, and only `last` is kept.
        """
        self._reset()
        if scores is not None:
            self._load(msgspec.msgpack.decode(scores, type=OutcomeStateRecord))
        for slot in sorted(map(unpacked, pending), key=lambda slot: slot.second):
            if (slot.horizons_s, slot.levels) != (self._horizons_s, self._levels):
                self.last = slot.second if self.last is None else max(self.last, slot.second)
            elif self.last is None or slot.second > self.last:
                self._advance(slot)
            else:
                self._pending[slot.second] = Pending(slot)
        if self.last is not None:
            self._release(self.last)

    def _load(self, state: OutcomeStateRecord) -> None:
        self.last = state.last
        if (state.horizons_s, state.levels) == (self._horizons_s, self._levels):
            self._first = state.first
            self._learned.load(state)

    def _advance(self, slot: Packed) -> list[Settlement]:
        now = Pending(slot)
        if self.last in self._pending:
            now.share(self._pending[self.last])
        settled = self._skipped(now.second)
        self._learned.begin(now.second, now.models, now.symbols)
        settled += self._due(now)
        step = self.last is not None and now.second == self.last + 1
        self._pending[now.second], self._newest, self.last = now, slot, now.second
        self._first = now.second if self._first is None else self._first
        self._release(now.second, [now.second - horizon for horizon in self._horizons_s] if step else None)
        return settled

    def _skipped(self, second: int) -> list[Settlement]:
        """Return as void what was due in the seconds nobody saw, and so has no mid to be settled with."""
        if self.last is None or second == self.last + 1:
            return []
        due = ((origin + horizon, horizon, origin) for origin in self._pending for horizon in self._horizons_s)
        skipped = sorted(entry for entry in due if self.last < entry[0] < second)
        return [Settlement(horizon_s=h, origin=origin, void={UNPRICED: [ALL]}) for _, h, origin in skipped]

    def _due(self, now: Pending) -> list[Settlement]:
        """Settle every horizon, those whose forecasts share symbols and models together."""
        settled: list[Settlement] = []
        alike: dict[tuple[object, ...], list[int]] = {}
        for place, horizon in enumerate(self._horizons_s):
            origin = now.second - horizon
            if then := self._pending.get(origin):
                alike.setdefault((then.symbols, then.models), []).append(place)
            elif self._first is not None and origin >= self._first:
                settled.append(Settlement(horizon_s=horizon, origin=origin, void={MISSING: [ALL]}))
        for places in alike.values():
            settled += self._settle(now, places)
        return sorted(settled, key=lambda settlement: settlement.horizon_s)

    def _settle(self, now: Pending, places: list[int]) -> list[Settlement]:
        """Settle some horizons whose forecasts share symbols and models."""
        then = [self._pending[now.second - self._horizons_s[place]] for place in places]
        before, after = _common(then[0].symbols, now.symbols)
        mids = np.stack([pending.mid for pending in then])[:, before]
        ok = (mids > 0) & now.priced[after]
        realised = np.log(np.divide(now.mid[after], mids, out=np.ones_like(mids), where=ok))
        symbols = [now.symbols[place] for place in after.tolist()]
        values = np.stack([pending.values[place] for pending, place in zip(then, places, strict=True)])[:, :, before]
        kinds = [kind for _, kind in then[0].models]
        naive = kinds.index("naive") if "naive" in kinds else NEW
        outcomes = Outcomes(values[..., 0], values[..., 1:], realised.astype(np.float32), ok, naive)
        volatility = np.stack([pending.volatility for pending in then])[:, before]
        self._learned.learn(np.asarray(places), then[0].models, symbols, outcomes, volatility)
        void = {MISSING: _others(now.symbols, symbols), UNPRICED: _others(then[0].symbols, symbols)}
        return [
            _settlement(self._horizons_s[place], now.second, symbols, moves, fine, void)
            for place, moves, fine in zip(places, realised.tolist(), ok.tolist(), strict=True)
        ]

    def _release(self, second: int, origins: Iterable[int] | None = None) -> None:
        """Let go of what has been settled or can no longer be, of these origins or of all."""
        for origin in list(self._pending) if origins is None else origins:
            if pending := self._pending.get(origin):
                due = [place for place, horizon in enumerate(self._horizons_s) if origin + horizon <= second]
                pending.release(due)
                if len(due) == len(self._horizons_s):
                    del self._pending[origin]


def _turn(symbols: Sequence[str], second: int) -> Sequence[str]:
    """Return the symbols whose turn it is to be scored on the wire."""
    if len(symbols) <= SLICE:
        return symbols
    return [symbols[(second * SLICE + turn) % len(symbols)] for turn in range(SLICE)]


def _common(then: tuple[str, ...], now: tuple[str, ...]) -> tuple[Ints, Ints]:
    """Return the places of the symbols both have, in the order of the former: in the one, in the other."""
    if then == now:
        everything = np.arange(len(now))
        return everything, everything
    place = {symbol: at for at, symbol in enumerate(now)}
    pairs = [(at, place[symbol]) for at, symbol in enumerate(then) if symbol in place]
    before, after = np.asarray(pairs, np.int64).reshape(-1, 2).T
    return before, after


def _others(symbols: Sequence[str], known: Sequence[str]) -> list[str]:
    return sorted(set(symbols) - set(known))


def _settlement(
    horizon_s: int, second: int, symbols: list[str], moves: list[float], fine: list[bool], void: dict[str, list[str]]
) -> Settlement:
    """Return one horizon's settlement: symbols with a mid then and now, and the void ones with their reasons."""
    unpriced = [symbol for symbol, ok in zip(symbols, fine, strict=True) if not ok]
    void = {MISSING: void[MISSING], UNPRICED: unpriced + void[UNPRICED]}
    if unpriced:
        moves = [move for move, ok in zip(moves, fine, strict=True) if ok]
        symbols = [symbol for symbol, ok in zip(symbols, fine, strict=True) if ok]
    return Settlement(
        horizon_s=horizon_s,
        origin=second - horizon_s,
        symbols=symbols,
        realised=moves,
        void={reason: names for reason, names in void.items() if names},
    )
