"""The feed as a board shows it: what the ledger says is missing, and the seconds of the last hour that came."""

from collections.abc import Iterable

import numpy as np

from app import records
from app.board.history import PartitionHistory, flags_of
from app.board.known_gaps import missing_ids, missing_ids_within, outage_s, overlap_s
from app.board.rings import Array, Ring
from app.board.state import HEARTBEAT_TIMEOUT_MS, BoardState
from app.board.symbols import age_s
from app.board.views import Feed, LedgerGap, MissingSeconds, SymbolFeed

HOUR_S = 3600
NEWEST_GAPS = 20
SPANS = 10  # of one gap


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
    shown = SymbolFeed(
        symbol=symbol, partition=partition, second=None, age_s=None, stale=True, flags=[], completeness=None,
        missing_s=0, gapped_s=0, late_s=0, missing_ids=0, quote_outage_s=0.0, book_outage_s=0.0, open_gaps=[],
        closed_gaps=[], gaps=[],
    )  # fmt: skip
    history = state.history.partitions[partition]
    ring = history.bars
    if ring is not None and ring.newest >= 0 and symbol in ring.columns:
        _add_seconds(shown, ring, age_s(state, ring.newest, wall_ms), state.settings.prediction_ttl_s)
    _add_ledger(shown, state, _trades(history, symbol), state.time.now_s(wall_ms) * 1000.0)
    return shown


def _add_seconds(shown: SymbolFeed, ring: Ring, age: float, ttl_s: float) -> None:
    found = ring.read(shown.symbol, ring.newest - HOUR_S + 1, ring.newest)
    seconds, marks = found["second"], found["marks"]
    missing = np.setdiff1d(np.arange(seconds[0], ring.newest + 1), seconds, assume_unique=True)
    gapped = seconds[(marks & 1) > 0]
    shown.second, shown.age_s, shown.stale = ring.newest, age, age > ttl_s
    shown.flags = flags_of(int(marks[-1]))
    shown.missing_s, shown.gapped_s = len(missing), len(gapped)
    shown.late_s = int(np.count_nonzero(marks & 2))
    shown.gaps = _newest_gaps(missing, gapped)


def _trades(history: PartitionHistory, symbol: str) -> float | None:
    """Return how many trades the last hour's bars count: as many trade ids came; None without bars."""
    if history.bars is None or history.bars.newest < 0 or "trades" not in history.channels:
        return None
    newest = history.bars.newest
    found = history.bars.read(symbol, newest - HOUR_S + 1, newest)
    return float(np.nansum(found["bars"][:, history.channels.index("trades")]))


def _add_ledger(shown: SymbolFeed, state: BoardState, trades: float | None, now_ms: float) -> None:
    opened, closed = state.gaps.open(shown.symbol), state.gaps.closed(shown.symbol)
    since_ms = now_ms - min(HOUR_S, state.history.capacity) * 1000.0
    unseen = [gap for gap in (*opened, *closed) if gap.state != "filled"]
    missing = sum(missing_ids_within(gap, since_ms, now_ms) for gap in unseen if gap.stream == "trades")
    shown.missing_ids = round(missing)
    shown.completeness = _share(trades, missing)
    shown.quote_outage_s, shown.book_outage_s = (
        round(outage_s([gap for gap in (*opened, *closed) if gap.stream == stream], since_ms, now_ms), 3)
        for stream in ("quotes", "book")
    )
    shown.open_gaps = [_gap(state, gap, now_ms) for gap in opened[:NEWEST_GAPS]]
    shown.closed_gaps = [_gap(state, gap, now_ms) for gap in closed[:NEWEST_GAPS]]


def _share(came: float | None, missing: float) -> float | None:
    """Return the share of ids that came; None where neither one came nor one is known to be missing."""
    return None if came is None or came + missing == 0 else round(came / (came + missing), 6)


def _gap(state: BoardState, gap: records.Gap, now_ms: float) -> LedgerGap:
    return LedgerGap(
        id=gap.id,
        stream=gap.stream,
        state=gap.state,
        reason=gap.reason,
        ids=missing_ids(gap),
        total_ids=state.gaps.total_ids(gap),
        spans=gap.ids[:SPANS],
        from_=gap.from_ms / 1000.0,
        to=gap.to_ms / 1000.0 if gap.to_ms else None,
        seconds=round(overlap_s(gap, 0.0, max(now_ms, gap.from_ms)), 3),
        opened=gap.opened_ms / 1000.0,
        closed=gap.closed_ms / 1000.0 if gap.closed_ms else None,
    )


def _newest_gaps(missing: Array, gapped: Array) -> list[MissingSeconds]:
    gaps = [
        MissingSeconds(kind=kind, from_=int(first), to=int(last))
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
