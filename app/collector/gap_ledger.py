"""The gap ledger of this replica's partitions: which trade ids are missing, and what became of each. No I/O.

An id is opened once and then filled or lost. Whoever holds an open id is known: the live path (it may still come late,
or be refilled into `btc.ticks`) or, once `hand_over` was called, the backfill. `take_changes` gives records to write.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from app.domain.id_spans import Spans, count, from_inclusive, inclusive, intersect, subtract, union
from app.records import Gap, GapState


@dataclass
class OpenGap:
    """A hole in a symbol's trade ids."""

    record: Gap
    left: Spans  # still missing
    lost: Spans = field(default_factory=list)

    def newest_record(self, now_ms: float, generation: int) -> Gap:
        """Return the record of its present state."""
        state: GapState = "open" if self.left else "lost" if self.lost else "filled"
        return msgspec.structs.replace(
            self.record,
            state=state,
            ids=inclusive(self.left or self.lost),
            lost_ids=inclusive(self.lost),
            closed_ms=0.0 if self.left else now_ms,
            generation=generation,
        )


@dataclass(frozen=True)
class Piece:
    """Ids of one symbol that the backfill is to fetch next."""

    partition: int
    symbol: str
    start: int
    spans: Spans


class GapLedger:
    """Open gaps by symbol; times are exchange time, epoch milliseconds.

    >>> ledger = GapLedger()
    >>> ledger.add_partition(0, generation=1)
    >>> ledger.open(Gap(id="A-trades-4", symbol="A", partition=0, stream="trades", state="open", reason="skipped",
    ...                 from_ms=1.0, opened_ms=2.0), [(4, 9)])
    5
    >>> ledger.hand_over("A", [(4, 9)])
    >>> ledger.fill("A", [(4, 6)], now_ms=3.0), ledger.lose("A", [(6, 9)], now_ms=3.0)
    (2, 3)
    >>> [(gap.state, gap.ids) for gap in ledger.take_changes()]
    [('lost', [(6, 8)])]
    """

    def __init__(self) -> None:
        self._generations: dict[int, int] = {}
        self._gaps: dict[str, list[OpenGap]] = {}
        self._outages: dict[tuple[str, str], Gap] = {}  # symbol, stream → quotes or book that are away
        self._backfill: dict[str, Spans] = {}  # handed over
        self._changes: dict[str, Gap] = {}

    def add_partition(self, partition: int, generation: int) -> None:
        """Keep a partition's gaps; their records carry the generation."""
        self._generations[partition] = generation

    def remove_partition(self, partition: int) -> None:
        """Forget a partition and what of it is not written."""
        self._generations.pop(partition, None)
        for symbol, gaps in list(self._gaps.items()):
            if gaps[0].record.partition == partition:
                del self._gaps[symbol]
                self._backfill.pop(symbol, None)
        self._outages = {key: gap for key, gap in self._outages.items() if gap.partition != partition}
        self._changes = {key: gap for key, gap in self._changes.items() if gap.partition != partition}

    def generation(self, partition: int) -> int | None:
        """Return the generation of a partition's records, None if its gaps are not kept here."""
        return self._generations.get(partition)

    # ── trades ────────────────────────────────────────────────────────────────────────────────────────────────

    def load(self, gap: Gap) -> None:
        """Go on with an open gap of trades that a record names."""
        opened = OpenGap(gap, from_inclusive(gap.ids), from_inclusive(gap.lost_ids))
        self._gaps.setdefault(gap.symbol, []).append(opened)

    def open(self, gap: Gap, spans: Spans) -> int:
        """Open the ids of these spans that are not open yet, as one gap; return how many."""
        new = subtract(union(spans), self.open_spans(gap.symbol))
        if new:
            opened = msgspec.structs.replace(gap, id=f"{gap.symbol}-trades-{new[0][0]}", opened_ids=inclusive(new))
            self._gaps.setdefault(gap.symbol, []).append(OpenGap(opened, new))
            self._change(self._gaps[gap.symbol][-1], gap.opened_ms)
        return count(new)

    def hand_over(self, symbol: str, spans: Spans) -> None:
        """Leave the open ids within these spans to the backfill: the live path takes none of them any more."""
        given = intersect(self.open_spans(symbol), union(spans))
        if given:
            self._backfill[symbol] = union([*self._backfill.get(symbol, []), *given])

    def fill(self, symbol: str, spans: Spans, now_ms: float) -> int:
        """Take ids that were written and acknowledged; return how many of them were open."""
        return self._close(symbol, spans, now_ms, lost=False)

    def lose(self, symbol: str, spans: Spans, now_ms: float) -> int:
        """Take ids that the exchange does not have; return how many of them were open."""
        return self._close(symbol, spans, now_ms, lost=True)

    def add_restart(self, symbol: str, partition: int, first_id: int, now_ms: float) -> None:
        """Note that the ids of a symbol go on from another one: nothing says how many lie between."""
        gap = Gap(id=f"{symbol}-restart-{first_id}", symbol=symbol, partition=partition, stream="trades", state="lost",
                  reason="restarted", from_ms=now_ms, to_ms=now_ms, opened_ms=now_ms, closed_ms=now_ms)  # fmt: skip
        self._changes[gap.id] = self._of_generation(gap)

    def open_spans(self, symbol: str) -> Spans:
        """Return every open id of a symbol."""
        return union(span for gap in self._gaps.get(symbol, ()) for span in gap.left)

    def open_count(self, symbol: str, since_ms: float = 0.0) -> int:
        """Return how many ids are open in gaps that end after a time."""
        return sum(
            count(gap.left) for gap in self._gaps.get(symbol, ()) if not gap.record.to_ms or gap.record.to_ms > since_ms
        )

    def gap_count(self, symbol: str) -> int:
        """Return how many gaps of trades a symbol has open."""
        return len(self._gaps.get(symbol, ()))

    def next_piece(self, after: str = "") -> Piece | None:
        """Return what the backfill fetches next: the symbols take turns, the one that follows `after` first."""
        symbols = sorted(self._backfill, key=lambda symbol: (symbol <= after, symbol))
        if not symbols:
            return None
        symbol, spans = symbols[0], self._backfill[symbols[0]]
        return Piece(self._gaps[symbol][0].record.partition, symbol, spans[0][0], list(spans))

    def _close(self, symbol: str, spans: Spans, now_ms: float, *, lost: bool) -> int:
        closed, left = 0, list[OpenGap]()
        for gap in self._gaps.get(symbol, ()):
            if taken := intersect(gap.left, spans):
                closed += count(taken)
                gap.left = subtract(gap.left, taken)
                gap.lost = union([*gap.lost, *taken]) if lost else gap.lost
                self._change(gap, now_ms)
            left += [gap] if gap.left else []
        if closed:
            self._keep(symbol, left, subtract(self._backfill.get(symbol, []), spans))
        return closed

    def _keep(self, symbol: str, gaps: list[OpenGap], backfill: Spans) -> None:
        for kept, value in ((self._gaps, gaps), (self._backfill, backfill)):
            if value:
                kept[symbol] = value  # type: ignore[index, assignment]  # two dicts by symbol
            else:
                kept.pop(symbol, None)  # type: ignore[attr-defined]

    # ── quotes and book ───────────────────────────────────────────────────────────────────────────────────────

    def load_outage(self, gap: Gap) -> None:
        """Go on with an outage that a record names as open."""
        self._outages[gap.symbol, gap.stream] = gap

    def open_outage(self, gap: Gap) -> None:
        """Open an outage of quotes or book, unless one is open."""
        if (gap.symbol, gap.stream) not in self._outages:
            self._outages[gap.symbol, gap.stream] = gap
            self._changes[gap.id] = self._of_generation(gap)

    def has_outage(self, symbol: str, stream: str) -> bool:
        """Return whether an outage is open."""
        return (symbol, stream) in self._outages

    def close_outage(self, symbol: str, stream: str, to_ms: float) -> bool:
        """End the outage, and return whether one was open: what it held is lost, nobody can be asked for it."""
        gap = self._outages.pop((symbol, stream), None) if self._outages else None
        if gap:
            self.add_lost_outage(msgspec.structs.replace(gap, to_ms=to_ms, closed_ms=to_ms))
        return gap is not None

    def add_lost_outage(self, gap: Gap) -> None:
        """Add an outage that is over."""
        self._changes[gap.id] = self._of_generation(msgspec.structs.replace(gap, state="lost"))

    # ── records ───────────────────────────────────────────────────────────────────────────────────────────────

    def take_changes(self) -> list[Gap]:
        """Return the newest record of every gap that changed since the last call."""
        changes, self._changes = list(self._changes.values()), {}
        return changes

    def _change(self, gap: OpenGap, now_ms: float) -> None:
        generation = self._generations.get(gap.record.partition, 0)
        self._changes[gap.record.id] = gap.newest_record(now_ms, generation)

    def _of_generation(self, gap: Gap) -> Gap:
        return msgspec.structs.replace(gap, generation=self._generations.get(gap.partition, 0))


def opened_spans(gaps: Iterable[Gap]) -> Spans:
    """Return every id that some gaps of one symbol have opened, whatever became of it."""
    return union(span for gap in gaps for span in from_inclusive(gap.opened_ids or gap.ids))
