"""Gap detection by trade id: which ids of one symbol are new, repeated or missing.

Binance numbers the aggregate trades of a symbol 1, 2, 3, …: a skipped id is a lost trade.
"""

IMPLAUSIBLE_JUMP = 1_000_000  # ids: BTCUSDT's busiest hours have fewer
RESYNC_AFTER = 20  # after so many implausible ids in a row the sequence starts anew at the next id


class TradeIds:
    """The sequence of the trade ids of one symbol.

    >>> ids = TradeIds()
    >>> [ids.add(7), ids.add(10), ids.gaps]
    [True, True, [(8, 10)]]
    >>> [ids.add(8), ids.add(8), ids.gaps]
    [True, False, [(9, 10)]]
    """

    def __init__(
        self,
        next_id: int | None = None,
        gaps: list[tuple[int, int]] | None = None,
        largest_jump: int = IMPLAUSIBLE_JUMP,
    ) -> None:
        self.next = next_id  # the id expected; None: any
        self.gaps = list(gaps or [])  # skipped ids as [start, stop), rising
        self.span = 0  # ids since the beginning, missing ones included
        self.skipped = 0  # ids that were missing at first
        self.lost = 0  # ids that could not be fetched
        self._doubts = 0
        self._largest_jump = largest_jump  # of the first id: more than usual after an absence

    def is_plausible(self, trade_id: int) -> bool:
        """Return whether the id may follow, and count those that may not: a damaged id must not move the sequence."""
        self._doubts = 0 if self.next is None or trade_id < self.next + self._largest_jump else self._doubts + 1
        if self._doubts > RESYNC_AFTER:
            self.next, self.gaps, self._doubts = None, [], 0
        return self._doubts == 0

    def add(self, trade_id: int) -> bool:
        """Add an id; return False for a repeated one."""
        if self.next is None:
            self.next = trade_id
        if trade_id < self.next:
            return self._remove(trade_id, trade_id + 1) == 1
        if trade_id > self.next:
            self.gaps.append((self.next, trade_id))
            self.skipped += trade_id - self.next
        self.span += trade_id + 1 - self.next
        self.next, self._largest_jump = trade_id + 1, IMPLAUSIBLE_JUMP
        return True

    def give_up(self, start: int, stop: int) -> int:
        """Drop the missing ids within [start, stop), which cannot be refilled; return how many."""
        given_up = self._remove(start, stop)
        self.lost += given_up
        return given_up

    @property
    def open_count(self) -> int:
        """How many ids are missing and may still be refilled."""
        return sum(stop - start for start, stop in self.gaps)

    def _remove(self, start: int, stop: int) -> int:
        before, rest = self.open_count, []
        for low, high in self.gaps:
            rest += [part for part in ((low, min(high, start)), (max(low, stop), high)) if part[0] < part[1]]
        self.gaps = rest
        return before - self.open_count
