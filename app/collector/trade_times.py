"""Trade times as witnesses of the exchange's clock: a robust bound from below, and how many trades support it."""

from collections import deque
from typing import NamedTuple

WINDOW_MS = 60_000.0  # wall time: older trades say nothing about the clock
AHEAD_MS = 50.0  # wall time: trades may be so far ahead of the right clock, for the exchange's servers differ
TRANSIT_MS = 1000.0  # wall time: the fastest trades of a window take at most so long to here
TRADES_PER_SYMBOL = 9  # newest ones, whose median is the symbol's vote
SOLID = 3  # trades at different times that agree: one damaged time is never believed
OUTLIERS, ENOUGH_HIGHS = 2, 5  # the highest leads left out, once there are enough
MOST_NEW = 10_000  # trades between two calls of `get`


class TradeLead(NamedTuple):
    """Exchange time less rate × wall time, as trades show it, milliseconds: at least `ms`, at most a transit more."""

    ms: float
    is_solid: bool  # three trades or more agree


class TradeTimes:
    """The lead of trade times over the wall clock within the last minute.

    A trade of time T received at w proves that the exchange's clock showed T or more at w: lead ≥ T − rate × w. The
    fastest trades give the best bound, but a wrong time gives a false one. So each symbol votes with the median of its
    newest nine trades, the symbols' median is what most agree on, and of the plausible leads the third highest counts.

    >>> times = TradeTimes()
    >>> for at_ms, time_ms in ((0, 1000), (100, 1095), (200, 3_601_200), (300, 1299)):
    ...     times.update("BTCUSDT", time_ms, at_ms)
    >>> times.get(400)
    TradeLead(ms=999.0, is_solid=True)
    """

    def __init__(self, rate: float = 1.0) -> None:
        self._rate = rate
        self._new: deque[tuple[str, int, float]] = deque(maxlen=MOST_NEW)
        self._votes: dict[str, deque[tuple[float, int, float]]] = {}  # symbol → (lead, trade time, wall time)
        self._highs: deque[tuple[float, float]] = deque()  # (wall time, highest plausible lead since the last call)

    def update(self, symbol: str, time_ms: int, at_ms: float) -> None:
        """Add a trade of this exchange time that was received at this wall time."""
        self._new.append((symbol, time_ms, at_ms))

    def get(self, at_ms: float) -> TradeLead | None:
        """Return the lead, None without a trade in the last minute."""
        new = [(symbol, time_ms, at, time_ms - self._rate * at) for symbol, time_ms, at in self._new]
        self._new.clear()
        for symbol, time_ms, at, lead in new:
            self._vote(symbol, time_ms, at, lead)
        self._forget(at_ms - WINDOW_MS)
        if not self._votes:
            return None
        agreed = _median([_median([lead for lead, *_ in votes]) for votes in self._votes.values()])
        limit = agreed + TRANSIT_MS * self._rate
        if plausible := [lead for *_, lead in new if lead <= limit]:
            self._highs.append((at_ms, max(plausible)))
        return TradeLead(self._bound(agreed, limit), self._support(agreed, limit) >= SOLID)

    def _vote(self, symbol: str, time_ms: int, at_ms: float, lead: float) -> None:
        votes = self._votes.setdefault(symbol, deque(maxlen=TRADES_PER_SYMBOL))
        # A repeated trade, as where connections overlap, is no second witness.
        if all(time_ms != other for _, other, _ in votes):
            votes.append((lead, time_ms, at_ms))

    def _forget(self, before_ms: float) -> None:
        for symbol, votes in tuple(self._votes.items()):
            while votes and votes[0][2] < before_ms:
                votes.popleft()
            if not votes:
                del self._votes[symbol]
        while self._highs and self._highs[0][0] < before_ms:
            self._highs.popleft()

    def _bound(self, agreed: float, limit: float) -> float:
        highs = sorted(lead for _, lead in self._highs if lead <= limit)
        if len(highs) >= ENOUGH_HIGHS:
            return max(agreed, highs[-1 - OUTLIERS])
        return max(agreed, _median(highs)) if len(highs) > 1 else agreed

    def _support(self, agreed: float, limit: float) -> int:
        lowest = agreed - TRANSIT_MS * self._rate
        return sum(lowest <= lead <= limit for votes in self._votes.values() for lead, *_ in votes)


def _median(values: list[float]) -> float:
    # The lower one of two: a clock that is behind closes late, one that is ahead closes seconds of the future.
    return float(sorted(values)[(len(values) - 1) // 2])
