"""The gap ledger as a board keeps it: of each symbol the open gaps and the newest closed ones."""

from app.domain.acceptance import is_superseded
from app.records import Gap

MOST_OPEN = 500  # of one symbol; the oldest are dropped
MOST_CLOSED = 200
FAR_FUTURE_MS = 4e15  # a time beyond any clock's: the gap lasts


class KnownGaps:
    """The newest record of each gap.

    >>> ledger = KnownGaps()
    >>> gap = Gap(id="A-trades-3", symbol="A", partition=0, stream="trades", state="open", reason="skipped",
    ...           ids=[(3, 9)], from_ms=1000.0, to_ms=2000.0, opened_ms=2000.0)
    >>> ledger.update(gap)
    True
    >>> ledger.total_ids(gap)
    7
    """

    def __init__(self) -> None:
        self._gaps: dict[str, dict[str, Gap]] = {}  # symbol → id → its newest record
        self._symbol_of: dict[str, str] = {}
        self._total_ids: dict[str, int] = {}  # id → the most trade ids it was seen to miss
        self._oldest_ms: dict[str, float] | None = {}  # stream → when its oldest open gap was noticed; None: not known

    def update(self, gap: Gap) -> bool:
        """Add a record; False for one of a lower generation, which a former owner wrote after its successor."""
        known = self._gaps.get(gap.symbol, {}).get(gap.id)
        if known is not None and is_superseded(gap, known.generation):
            return False
        self._gaps.setdefault(gap.symbol, {})[gap.id] = gap
        self._symbol_of[gap.id], self._oldest_ms = gap.symbol, None
        self._total_ids[gap.id] = max(self._total_ids.get(gap.id, 0), missing_ids(gap), opened_ids(gap))
        self._bound(gap.symbol)
        return True

    def remove(self, name: str) -> bool:
        """Remove the gap of this id, which was deleted from its topic; return whether it was known."""
        symbol = self._symbol_of.pop(name, None)
        if symbol is None:
            return False
        del self._gaps[symbol][name], self._total_ids[name]
        self._oldest_ms = None
        return True

    def _bound(self, symbol: str) -> None:
        if len(self._gaps[symbol]) > MOST_CLOSED:
            for gap in (*self.open(symbol)[MOST_OPEN:], *self.closed(symbol)[MOST_CLOSED:]):
                self.remove(gap.id)

    def oldest_open_ms(self) -> dict[str, float]:
        """Return stream → exchange time when the oldest of its open gaps was noticed; no entry without one."""
        if self._oldest_ms is None:
            self._oldest_ms = {}
            for gap in (gap for gaps in self._gaps.values() for gap in gaps.values() if gap.state == "open"):
                self._oldest_ms[gap.stream] = min(gap.opened_ms, self._oldest_ms.get(gap.stream, gap.opened_ms))
        return self._oldest_ms

    def open(self, symbol: str) -> list[Gap]:
        """Return a symbol's open gaps, the newest first."""
        found = (gap for gap in self._gaps.get(symbol, {}).values() if gap.state == "open")
        return sorted(found, key=lambda gap: -gap.opened_ms)

    def closed(self, symbol: str) -> list[Gap]:
        """Return a symbol's closed gaps, the last closed first."""
        found = (gap for gap in self._gaps.get(symbol, {}).values() if gap.state != "open")
        return sorted(found, key=lambda gap: -gap.closed_ms)

    def total_ids(self, gap: Gap) -> int:
        """Return the most trade ids a gap was seen to miss: what is filled since is the difference."""
        return self._total_ids.get(gap.id, 0)


def missing_ids(gap: Gap) -> int:
    """Return how many trade ids a gap misses now, or lost."""
    return sum(last - first + 1 for first, last in gap.ids)


def opened_ids(gap: Gap) -> int:
    """Return how many trade ids a gap missed when it was opened; 0: it does not say."""
    return sum(last - first + 1 for first, last in gap.opened_ids)


def overlap_s(gap: Gap, since_ms: float, until_ms: float) -> float:
    """Return for how many seconds of [since, until] a gap's stream was silent."""
    end_ms = min(gap.to_ms or FAR_FUTURE_MS, until_ms)
    return max(0.0, end_ms - max(gap.from_ms, since_ms)) / 1000.0


def missing_ids_within(gap: Gap, since_ms: float, until_ms: float) -> float:
    """Return about how many of the missing ids lie in [since, until]: spread evenly over the gap's time."""
    ids, length_ms = missing_ids(gap), (gap.to_ms or until_ms) - gap.from_ms
    if length_ms <= 0:
        return float(ids) if since_ms <= gap.from_ms <= until_ms else 0.0
    return ids * overlap_s(gap, since_ms, until_ms) * 1000.0 / length_ms


def outage_s(gaps: list[Gap], since_ms: float, until_ms: float) -> float:
    """Return for how many seconds of [since, until] at least one of the gaps lasted."""
    total_ms, end_ms = 0.0, since_ms
    for gap in sorted(gaps, key=lambda one: one.from_ms):
        start_ms, stop_ms = max(gap.from_ms, end_ms), min(gap.to_ms or FAR_FUTURE_MS, until_ms)
        if stop_ms > start_ms:
            total_ms, end_ms = total_ms + stop_ms - start_ms, stop_ms
    return total_ms / 1000.0
