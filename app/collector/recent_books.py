"""The last book of each of the last seconds, for partitions that are taken over.

One per second is all that a batch needs: every snapshot of 30 s and 300 symbols would take a quarter of a gigabyte.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator

from app.domain.ticks import BookSnapshot

SECONDS = 32  # of exchange time: three sessions of the collectors' group


class RecentBooks:
    """The last snapshot of each symbol and second: `update` with each, `of` some symbols."""

    def __init__(self) -> None:
        self._books: defaultdict[str, deque[BookSnapshot]] = defaultdict(lambda: deque(maxlen=SECONDS))

    def update(self, snapshot: BookSnapshot) -> None:
        """Keep a snapshot instead of an earlier one of its second."""
        kept = self._books[snapshot.symbol]
        if kept and kept[-1].time_ms // 1000 == snapshot.time_ms // 1000:
            kept.pop()
        kept.append(snapshot)

    def of(self, symbols: Iterable[str]) -> Iterator[BookSnapshot]:
        """Yield the snapshots of these symbols, symbol by symbol in order of time."""
        return (snapshot for symbol in symbols for snapshot in self._books.get(symbol, ()))
