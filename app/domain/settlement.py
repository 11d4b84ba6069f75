"""Settlement of forecasts: the forecasts made h seconds ago against the mids of this second.

`Settlements` keeps the pending forecasts of one partition and everything learned from settled ones, in two records:
the pending forecasts of each second (`pending_record`) and what was learned (`scores_record`).

The scores record may be stored every second or less often: `restore` replays the pending records that are newer and
gives the same bits as without an interruption. So the ring of pending records must reach back the longest horizon
plus the seconds between two scores records.
"""

from collections.abc import Iterable, Sequence

import msgspec
import numpy as np

from app.domain.arrays import ABSENT, Bools, Ints
from app.domain.calibration import Calibration
from app.domain.outcome_state import OutcomeState, OutcomeStateRecord
from app.domain.pending_forecasts import PendingForecasts, PendingRecord, decoded, record_of
from app.domain.scoring import ALL_SYMBOLS, MAX_SCORED_SYMBOLS, Outcomes
from app.records import PredictionBatch, Score, Settlement

MISSING, UNPRICED, STALE = "missing", "unpriced", "stale"
SCORED_EVERY_S = 5  # scores change slowly, and make most of a message; partitions take turns


class Settlements:
    """The pending forecasts of one partition, and what was learned from settled ones."""

    def __init__(self, horizons_s: tuple[int, ...], levels: tuple[float, ...], halflife_s: float = 3600.0) -> None:
        self._horizons_s, self._levels, self._halflife_s = tuple(horizons_s), tuple(levels), halflife_s
        self._reset()

    def _reset(self) -> None:
        self.last: int | None = None  # the newest second settled
        self._first: int | None = None
        self._pending: dict[int, PendingForecasts] = {}
        self._newest: PendingRecord | None = None
        self._learned = OutcomeState(self._horizons_s, self._levels, self._halflife_s)

    def settle(self, batch: PredictionBatch) -> tuple[list[Settlement], list[Score], dict[str, int]]:
        """Settle the forecasts that are due at this second, and keep those of the second itself as pending.

        Returns the settlements by horizon (a void entry of "*" means every symbol of the partition), every
        `SCORED_EVERY_S` seconds the scores of "*" and of up to 20 symbols (of more symbols 20 at a time, round robin),
        and by horizon the number of (symbol, second) pairs settled since the beginning. Raises ValueError, state
        unchanged, for a batch of other horizons, levels or shapes, or one that is not newer than `last`.
        """
        if self.last is not None and batch.second <= self.last:
            raise ValueError(f"second {batch.second} of partition {batch.partition} is not newer than {self.last}")
        settled = self._advance(record_of(batch, self._horizons_s, self._levels))
        turn, rest = divmod(batch.second + batch.partition, SCORED_EVERY_S)
        scores = [] if rest else self._learned.scores(batch.forecasts, _scored_symbols(batch.symbols, turn))
        return settled, scores, self._learned.totals()

    def calibration(self) -> Calibration:
        """Return the calibration learned so far; it changes with the next outcomes."""
        return self._learned.calibration()

    def pending_record(self, batch: PredictionBatch) -> bytes:
        """Return the encoded pending record of a batch; raises ValueError for a batch of other horizons or shapes."""
        if self._newest is None or self._newest.second != batch.second:
            return msgspec.msgpack.encode(record_of(batch, self._horizons_s, self._levels))
        return msgspec.msgpack.encode(self._newest)

    def scores_record(self) -> bytes:
        """Return everything learned, encoded; raises ValueError before the first second."""
        if self.last is None:
            raise ValueError("there is no scores record before the first second is settled")
        return self._learned.record(self.last if self._first is None else self._first, self.last)

    def restore(self, pending: Iterable[bytes], scores: bytes | None) -> None:
        """Restore the state of the scores record, then replay the pending records that are newer.

        Pending records may come in any order; outdated ones are ignored. After a change of horizons or levels
        learning starts anew, and only `last` is kept.
        """
        self._reset()
        if scores is not None:
            self._restore_learned(msgspec.msgpack.decode(scores, type=OutcomeStateRecord))
        for slot in sorted(map(decoded, pending), key=lambda slot: slot.second):
            if (slot.horizons_s, slot.levels) != (self._horizons_s, self._levels):
                self.last = slot.second if self.last is None else max(self.last, slot.second)
            elif self.last is None or slot.second > self.last:
                self._advance(slot)
            else:
                self._pending[slot.second] = PendingForecasts(slot)
        if self.last is not None:
            self._discard(self.last)

    def _restore_learned(self, state: OutcomeStateRecord) -> None:
        self.last = state.last
        if (state.horizons_s, state.levels) == (self._horizons_s, self._levels):
            self._first = state.first
            self._learned.restore(state)

    def _advance(self, slot: PendingRecord) -> list[Settlement]:
        now = PendingForecasts(slot)
        if self.last in self._pending:
            now.share_names(self._pending[self.last])
        settled = self._skipped(now.second)
        self._learned.prepare(now.second, now.models, now.symbols)
        settled += self._due(now)
        step = self.last is not None and now.second == self.last + 1
        self._pending[now.second], self._newest, self.last = now, slot, now.second
        self._first = now.second if self._first is None else self._first
        self._discard(now.second, [now.second - horizon for horizon in self._horizons_s] if step else None)
        return settled

    def _skipped(self, second: int) -> list[Settlement]:
        """Return as void the forecasts due in missing seconds, which have no mid to settle with."""
        if self.last is None or second == self.last + 1:
            return []
        due = ((origin + horizon, horizon, origin) for origin in self._pending for horizon in self._horizons_s)
        skipped = sorted(entry for entry in due if self.last < entry[0] < second)
        return [Settlement(horizon_s=h, origin=origin, void={UNPRICED: [ALL_SYMBOLS]}) for _, h, origin in skipped]

    def _due(self, now: PendingForecasts) -> list[Settlement]:
        """Settle every horizon; those whose forecasts have the same symbols and models together."""
        settled: list[Settlement] = []
        groups: dict[tuple[object, ...], list[int]] = {}
        for h, horizon in enumerate(self._horizons_s):
            origin = now.second - horizon
            if then := self._pending.get(origin):
                groups.setdefault((then.symbols, then.models), []).append(h)
            elif self._first is not None and origin >= self._first:
                settled.append(Settlement(horizon_s=horizon, origin=origin, void={MISSING: [ALL_SYMBOLS]}))
        for horizons in groups.values():
            settled += self._settle(now, horizons)
        return sorted(settled, key=lambda settlement: settlement.horizon_s)

    def _settle(self, now: PendingForecasts, horizons: list[int]) -> list[Settlement]:
        """Settle some horizons whose forecasts have the same symbols and models."""
        then = [self._pending[now.second - self._horizons_s[h]] for h in horizons]
        before, after = _common(then[0].symbols, now.symbols)
        mids = np.stack([pending.mid for pending in then])[:, before]
        ok = np.stack([pending.priced for pending in then])[:, before] & now.priced[after]
        stale = np.stack([pending.stale for pending in then])[:, before] | now.stale[after]
        realised = np.log(np.divide(now.mid[after], mids, out=np.ones_like(mids), where=ok))
        symbols = [now.symbols[position] for position in after.tolist()]
        values = np.stack([pending.values[h] for pending, h in zip(then, horizons, strict=True)])[:, :, before]
        kinds = [kind for _, kind in then[0].models]
        naive = kinds.index("naive") if "naive" in kinds else ABSENT
        outcomes = Outcomes(values[..., 0], values[..., 1:], realised.astype(np.float32), ok, naive)
        volatility = np.stack([pending.volatility for pending in then])[:, before]
        self._learned.update(np.asarray(horizons), then[0].models, symbols, outcomes, volatility)
        void = {MISSING: _others(now.symbols, symbols), UNPRICED: _others(then[0].symbols, symbols)}
        return [
            _settlement(self._horizons_s[h], now.second, symbols, moves, _reasons(priced, old), void)
            for h, moves, priced, old in zip(horizons, realised.tolist(), ok, stale, strict=True)
        ]

    def _discard(self, second: int, origins: Iterable[int] | None = None) -> None:
        """Discard forecasts that are settled or can no longer be, of these origins or of all."""
        for origin in list(self._pending) if origins is None else origins:
            if pending := self._pending.get(origin):
                due = [h for h, horizon in enumerate(self._horizons_s) if origin + horizon <= second]
                pending.discard(due)
                if len(due) == len(self._horizons_s):
                    del self._pending[origin]


def _scored_symbols(symbols: Sequence[str], turn: int) -> Sequence[str]:
    """Return the symbols whose scores are published at a turn, round robin."""
    if len(symbols) <= MAX_SCORED_SYMBOLS:
        return symbols
    return [symbols[(turn * MAX_SCORED_SYMBOLS + i) % len(symbols)] for i in range(MAX_SCORED_SYMBOLS)]


def _common(then: tuple[str, ...], now: tuple[str, ...]) -> tuple[Ints, Ints]:
    """Return the positions of common symbols in `then` and in `now`, in the order of `then`."""
    if then == now:
        everything = np.arange(len(now))
        return everything, everything
    position = {symbol: i for i, symbol in enumerate(now)}
    pairs = [(i, position[symbol]) for i, symbol in enumerate(then) if symbol in position]
    before, after = np.asarray(pairs, np.int64).reshape(-1, 2).T
    return before, after


def _others(symbols: Sequence[str], known: Sequence[str]) -> list[str]:
    return sorted(set(symbols) - set(known))


def _reasons(priced: Bools, stale: Bools) -> list[str]:
    """Return why each symbol is void, "" where it is not; empty when none is."""
    return [] if priced.all() else np.where(priced, "", np.where(stale, STALE, UNPRICED)).tolist()


def _settlement(
    horizon_s: int, second: int, symbols: list[str], moves: list[float], reasons: list[str], void: dict[str, list[str]]
) -> Settlement:
    """Return one horizon's settlement: symbols with a fresh mid then and now, and the void ones with their reasons."""
    if reasons:
        by_symbol = list(zip(symbols, moves, reasons, strict=True))
        stale = [symbol for symbol, _, reason in by_symbol if reason == STALE]
        unpriced = [symbol for symbol, _, reason in by_symbol if reason == UNPRICED]
        void = {MISSING: void[MISSING], UNPRICED: unpriced + void[UNPRICED], STALE: stale}
        symbols = [symbol for symbol, _, reason in by_symbol if not reason]
        moves = [move for _, move, reason in by_symbol if not reason]
    return Settlement(
        horizon_s=horizon_s,
        origin=second - horizon_s,
        symbols=symbols,
        realised=moves,
        void={reason: names for reason, names in void.items() if names},
    )
