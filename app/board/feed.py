"""The feed as a board shows it: each symbol's newest second, completeness and gaps of the last hour."""

from collections.abc import Iterable

import numpy as np

from app.board.history import flags_of
from app.board.rings import Array, Ring
from app.board.state import HEARTBEAT_TIMEOUT_MS, BoardState
from app.board.symbols import age_s
from app.board.views import Feed, Gap, SymbolFeed

HOUR_S = 3600
NEWEST_GAPS = 20


def feed(state: BoardState, wall_ms: float) -> Feed:
    """Return every symbol's feed, and what the collectors report of theirs."""
    collectors = [
        {
            "instance": beat.instance,
            "alive": wall_ms - beat.at_ms < HEARTBEAT_TIMEOUT_MS,
            "note": beat.note,
            **beat.progress,
        }
        for (process, _), beat in sorted(state.heartbeats.items())
        if process == "collector"
    ]
    symbols = [_symbol_feed(state, symbol, wall_ms) for symbol in sorted(state.history.partition_of)]
    return Feed(source=state.settings.source, symbols=symbols, collectors=collectors)


def _symbol_feed(state: BoardState, symbol: str, wall_ms: float) -> SymbolFeed:
    partition = state.history.partition_of[symbol]
    ring = state.history.partitions[partition].bars
    if ring is None or ring.newest < 0 or symbol not in ring.columns:
        return SymbolFeed(symbol=symbol, partition=partition, second=None, age_s=None, stale=True, flags=[],
                          completeness=None, missing_s=0, gapped_s=0, late_s=0, gaps=[])  # fmt: skip
    age = age_s(state, ring.newest, wall_ms)
    stale = age > state.settings.prediction_ttl_s
    return _last_hour(ring, symbol, partition, age, stale=stale)


def _last_hour(ring: Ring, symbol: str, partition: int, age: float, *, stale: bool) -> SymbolFeed:
    found = ring.read(symbol, ring.newest - HOUR_S + 1, ring.newest)
    seconds, marks = found["second"], found["marks"]
    missing = np.setdiff1d(np.arange(seconds[0], ring.newest + 1), seconds, assume_unique=True)
    gapped = seconds[(marks & 1) > 0]
    return SymbolFeed(
        symbol=symbol,
        partition=partition,
        second=ring.newest,
        age_s=age,
        stale=stale,
        flags=flags_of(int(marks[-1])),
        completeness=round(1.0 - (len(missing) + len(gapped)) / (ring.newest - int(seconds[0]) + 1), 6),
        missing_s=len(missing),
        gapped_s=len(gapped),
        late_s=int(np.count_nonzero(marks & 2)),
        gaps=_newest_gaps(missing, gapped),
    )


def _newest_gaps(missing: Array, gapped: Array) -> list[Gap]:
    gaps = [
        Gap(kind=kind, from_=int(first), to=int(last))
        for kind, seconds in (("missing", missing), ("gapped", gapped))
        for first, last in spans(seconds)
    ]
    return sorted(gaps, key=lambda gap: -gap.to)[:NEWEST_GAPS]


def spans(seconds: Iterable[int]) -> list[tuple[int, int]]:
    """Return rising seconds as spans, first and last included.

    >>> spans([3, 4, 5, 9])
    [(3, 5), (9, 9)]
    """
    found: list[tuple[int, int]] = []
    for second in seconds:
        if found and second == found[-1][1] + 1:
            found[-1] = (found[-1][0], second)
        else:
            found.append((second, second))
    return found
