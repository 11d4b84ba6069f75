"""Trade ids without a hole. What enters: one symbol's ids as they come; what leaves: new or repeated, and the holes.

Binance counts the aggregate trades of a symbol 1, 2, 3, …: an id that is skipped is a trade that was lost.
"""

IMPLAUSIBLE_JUMP = 1_000_000  # ids: BTCUSDT's busiest hours have fewer
BELIEVED = 20  # so many implausible ids in a row are a stream that goes on elsewhere


class TradeIds:
    """Where one symbol's ids stand.

    >>> ids = TradeIds()
    >>> [ids.take(7), ids.take(10), ids.holes]
    [True, True, [(8, 10)]]
    >>> [ids.take(8), ids.take(8), ids.holes]
    [True, False, [(9, 10)]]
    """

    def __init__(self, next_id: int | None = None, holes: list[tuple[int, int]] | None = None) -> None:
        self.next = next_id  # the id expected; None: whatever comes first
        self.holes = list(holes or [])  # skipped ids as [start, stop), rising
        self.span = 0  # ids passed since the beginning, holes included
        self.skipped = 0  # ids that were in a hole when it opened
        self.lost = 0  # ids given up
        self._doubts = 0

    def plausible(self, trade_id: int) -> bool:
        """Say whether the id may follow: one damaged frame must not move the sequence out of reach."""
        self._doubts = 0 if self.next is None or trade_id < self.next + IMPLAUSIBLE_JUMP else self._doubts + 1
        if self._doubts > BELIEVED:
            self.next, self.holes, self._doubts = None, [], 0
        return self._doubts == 0

    def take(self, trade_id: int) -> bool:
        """Note an id; False for one that was taken before."""
        if self.next is None:
            self.next = trade_id
        if trade_id < self.next:
            return self._remove(trade_id, trade_id + 1) == 1
        if trade_id > self.next:
            self.holes.append((self.next, trade_id))
            self.skipped += trade_id - self.next
        self.span += trade_id + 1 - self.next
        self.next = trade_id + 1
        return True

    def give_up(self, start: int, stop: int) -> int:
        """Close the holes within [start, stop): those trades cannot be had. Return how many ids that were."""
        given_up = self._remove(start, stop)
        self.lost += given_up
        return given_up

    @property
    def open(self) -> int:
        """How many skipped ids are still waited for."""
        return sum(stop - start for start, stop in self.holes)

    def _remove(self, start: int, stop: int) -> int:
        before, rest = self.open, []
        for low, high in self.holes:
            rest += [part for part in ((low, min(high, start)), (max(low, stop), high)) if part[0] < part[1]]
        self.holes = rest
        return before - self.open
