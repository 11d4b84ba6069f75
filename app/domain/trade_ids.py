"""Gap detection by trade id: which ids of one symbol are new, repeated or missing.

Binance numbers the aggregate trades of a symbol 1, 2, 3, …: a skipped id is a lost trade.
"""

IMPLAUSIBLE_JUMP = 1_000_000  # ids: BTCUSDT's busiest hours have fewer; a sequence that jumps further starts anew


class TradeIds:
    """The sequence of the trade ids of one symbol.

    >>> ids = TradeIds()
    >>> [ids.add(7), ids.add(10), ids.gaps]
    [True, True, [(8, 10)]]
    >>> [ids.add(8), ids.add(8), ids.gaps]
    [True, False, [(9, 10)]]
    """

    def __init__(self, next_id: int | None = None, gaps: list[tuple[int, int]] | None = None) -> None:
        self.next = next_id  # the id expected; None: any
        self.gaps = list(gaps or [])  # skipped ids as [start, stop), rising
        self.span = 0  # ids since the beginning, missing ones included
        self.skipped = 0  # ids that were missing at first
        self.lost = 0  # ids that could not be fetched
        self.start = 0  # first id of the sequence, where it is known
        self.restarts: list[tuple[int | None, int]] = []  # id expected and id that came instead, oldest first

    def is_expected(self, trade_id: int) -> bool:
        """Return whether the id is the next one or fills a gap."""
        return trade_id == self.next or self.is_missing(trade_id)

    def is_missing(self, trade_id: int) -> bool:
        """Return whether the id fills a gap."""
        return any(start <= trade_id < stop for start, stop in self.gaps)

    def restart(self, first_id: int) -> None:
        """Begin a new sequence at an id; what was missing of the old one cannot be had any more."""
        self.restarts.append((self.next, first_id))
        self.lost += self.open_count
        self.start, self.next, self.gaps = first_id, first_id, []

    def is_of_sequence(self, trade_id: int) -> bool:
        """Return whether an id that was received belongs to the sequence that goes on now."""
        return self.next is not None and self.start <= trade_id < self.next

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
        self.next = trade_id + 1
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
