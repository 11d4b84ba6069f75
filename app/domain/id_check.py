"""Trades of one symbol whose id is in doubt wait here until other trades agree with it: a damaged id is not believed.

In order, an id is the one expected or fills a gap. Otherwise neighbours decide:

- a small jump is a skipped trade if one more trade goes on from there, or if nothing contradicts it for 0.3 s;
- a large jump, or a lower id with a newer time, is the exchange's if eight trades in a row go on from there, or two and
  for 10 s nothing contradicts them. Ids that go on lower, or very much higher, have started anew; those between are a
  gap. After an absence the first jump may be large;
- a trade that the sequence passes over is refused. Its true id is missing then, and refilled like any other.

At most `MOST_HELD` trades wait: in a symbol that trades seldom, until its next trade.
"""

from dataclasses import dataclass

from app.domain.ticks import Trade
from app.domain.trade_ids import IMPLAUSIBLE_JUMP, TradeIds

NEAR = 1000  # ids: skipped trades, so far ahead, need one trade that agrees
AGREEING = 8  # trades in a row that prove a large jump, or ids that start anew
MOST_HELD = 64
PASSED_OVER = 4  # trades in order after which one that still waits is refused
NEAR_MS, FAR_MS = 300.0, 10_000.0  # wall time that a trade waits for another


@dataclass(slots=True)
class _Held:
    trade: Trade
    since_ms: float
    passed: int = 0  # trades in order since


class IdCheck:
    """The check of one symbol's ids: `update` with each trade received, `release` what has waited long enough.

    >>> ids, check = TradeIds(7), IdCheck()
    >>> def received(trade_id, time_ms):
    ...     believed = check.update(Trade("BTCUSDT", trade_id, time_ms, 1.0, 1.0, True), ids, time_ms)
    ...     return [trade.id for trade in believed if ids.add(trade.id)]
    >>> [received(trade_id, time_ms) for time_ms, trade_id in enumerate((7, 10_008, 9, 10))]
    [[7], [], [], [9, 10]]
    >>> ids.gaps
    [(8, 9)]
    """

    def __init__(self, newest_ms: int = -1, first_jump: int = 0) -> None:
        """Take the newest time known, and how far the first trade may jump after an absence."""
        self.refused: list[Trade] = []  # damaged ids; the caller empties it
        self._held: list[_Held] = []
        self._newest_ms, self._newest_id = newest_ms, -1  # newest time believed, and the lowest id of that time
        self._near = max(first_jump, NEAR)

    def update(self, trade: Trade, ids: TradeIds, now_ms: float) -> list[Trade]:
        """Return the trades that may be added now, in order; the trade itself may have to wait."""
        if ids.next is None or ids.is_expected(trade.id):
            return self._believe([trade], ids)
        if self._is_past(trade, ids):
            return [trade] if ids.next is not None and trade.id < ids.next else []
        self._hold(trade, now_ms)
        chain = self._chain(trade.id)
        if len(chain) >= self._needed(chain[0].id, ids):
            return self._follow(chain, ids)
        self._refuse(self._held[:-MOST_HELD])
        return []

    def release(self, ids: TradeIds, now_ms: float, rate: float = 1.0) -> list[Trade]:
        """Return trades that waited long enough and were not contradicted; refuse those that were."""
        near = [one for one in self._held if not one.passed and self._needed(one.trade.id, ids) < AGREEING]
        due = [one.trade for one in near if now_ms - one.since_ms >= NEAR_MS * rate]
        if due:
            return self._believe(sorted(due, key=lambda trade: trade.id), ids)
        far = [one for one in self._held if one not in near and now_ms - one.since_ms >= FAR_MS * rate]
        self._refuse([one for one in far if one.passed])
        chains = (self._chain(one.trade.id) for one in far if not one.passed)
        agreeing = max(chains, key=len, default=[])
        return self._follow(agreeing, ids) if len(agreeing) > 1 else []

    def _is_past(self, trade: Trade, ids: TradeIds) -> bool:
        # Overlapping connections repeat trades of the past: lower and not newer. Those of before a restart may be
        # higher. A restart itself is newer.
        if ids.next is None or (not ids.restarts and ids.next <= trade.id <= ids.next + self._near):
            return False
        if trade.time_ms == self._newest_ms:
            return self._newest_id <= trade.id < ids.next
        return trade.time_ms < self._newest_ms

    def _hold(self, trade: Trade, now_ms: float) -> None:
        # Of two with one id the later one is the likelier.
        since_ms = next((one.since_ms for one in self._held if one.trade.id == trade.id), now_ms)
        self._held = [one for one in self._held if one.trade.id != trade.id] + [_Held(trade, since_ms)]

    def _needed(self, first_id: int, ids: TradeIds) -> int:
        """Return how many trades in a row must go on from an id."""
        return 2 if ids.next is not None and ids.next <= first_id <= ids.next + self._near else AGREEING

    def _chain(self, trade_id: int) -> list[Trade]:
        """Return the held trades whose ids are consecutive with this one, in order."""
        held = {one.trade.id: one.trade for one in self._held}
        start = stop = trade_id
        while start - 1 in held:
            start -= 1
        while stop + 1 in held:
            stop += 1
        return [held[number] for number in range(start, stop + 1)]

    def _follow(self, chain: list[Trade], ids: TradeIds) -> list[Trade]:
        first = chain[0].id
        if ids.next is not None and not ids.next <= first < ids.next + max(IMPLAUSIBLE_JUMP, self._near):
            ids.restart(first)
            self._newest_ms = -1
        return self._believe(chain, ids)

    def _believe(self, trades: list[Trade], ids: TradeIds) -> list[Trade]:
        """Return trades, and those held that follow them; those in order count against the others."""
        believed, held = list(trades), {one.trade.id: one.trade for one in self._held}
        following = max(ids.next or 0, believed[-1].id + 1)
        while following in held:
            believed.append(held[following])
            following += 1
        for trade in believed:
            self._note_time(trade)
        self._near = NEAR
        taken = {trade.id for trade in believed}
        self._held = [one for one in self._held if one.trade.id not in taken]
        self._pass_over(len(believed) if ids.is_expected(trades[0].id) else 0)
        return believed

    def _note_time(self, trade: Trade) -> None:
        if trade.time_ms > self._newest_ms:
            self._newest_ms, self._newest_id = trade.time_ms, trade.id
        elif trade.time_ms == self._newest_ms:
            self._newest_id = min(self._newest_id, trade.id)

    def _pass_over(self, count: int) -> None:
        if not self._held or not count:
            return
        for held in self._held:
            held.passed += count
        self._refuse([held for held in self._held if held.passed >= PASSED_OVER])

    def _refuse(self, refused: list[_Held]) -> None:
        self.refused += [held.trade for held in refused]
        self._held = [held for held in self._held if held not in refused]
