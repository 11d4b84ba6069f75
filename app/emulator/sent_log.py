"""A log of the events sent to at least one subscriber: counts, ids, recent payloads and lateness."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import msgspec
import numpy as np

from app.emulator.market_source import AGG_TRADE, BOOK_TICKER, TRADE, Event

KEPT_KINDS = {AGG_TRADE, TRADE, BOOK_TICKER}  # books are counted alone: one is as large as ten trades
MAX_EVENTS_KEPT = 200_000  # events of all streams together: about 60 MB


def events_kept_per_stream(symbols: int) -> int:
    """Return how many events of each stream are kept: 20,000 for one symbol, fewer for many, at least 100."""
    return max(100, min(20_000, MAX_EVENTS_KEPT // (2 * symbols)))


@dataclass(slots=True)
class SentStream:
    """What was sent on one stream; `recent` is bounded."""

    recent: deque[Event]
    count: int = 0
    first_id: int = 0
    last_id: int = 0


@dataclass(slots=True)
class SentLog:
    """What was sent on every stream, and how late the latest events were sent, in wall ms."""

    kept_per_stream: int = 20_000  # events
    streams: dict[str, SentStream] = field(default_factory=dict)
    late_ms: deque[float] = field(default_factory=lambda: deque(maxlen=10_000))

    def add(self, event: Event, late_ms: float) -> None:
        """Record an event that was sent to at least one client, `late_ms` wall ms after it was due."""
        stream = self.streams.get(event.stream)
        if stream is None:
            kept = self.kept_per_stream if event.kind in KEPT_KINDS else 0
            stream = self.streams[event.stream] = SentStream(deque(maxlen=kept), first_id=event.key)
        stream.recent.append(event)
        stream.count += 1
        stream.last_id = event.key
        self.late_ms.append(late_ms)

    def ids(self, symbol: str, kind: str = AGG_TRADE, *, start_ms: int = 0, end_ms: int | None = None) -> list[int]:
        """Return the ids of the recent events due in start … end, in the order sent."""
        return [event.key for event in self._recent(symbol, kind, start_ms, end_ms)]

    def between(self, symbol: str, start_ms: int, end_ms: int | None) -> dict[str, object]:
        """Return trade ids and quotes due in start … end, among the recent events; JSON-ready."""
        return {
            "symbol": symbol,
            "trades": self.ids(symbol, AGG_TRADE, start_ms=start_ms, end_ms=end_ms),
            "raw_trades": self.ids(symbol, TRADE, start_ms=start_ms, end_ms=end_ms),
            "quotes": [msgspec.Raw(event.data) for event in self._recent(symbol, BOOK_TICKER, start_ms, end_ms)],
        }

    def summary(self) -> dict[str, dict[str, dict[str, int]]]:
        """Return {"BTCUSDT": {"aggTrade": {"count": 3, "first_id": 7, "last_id": 9}}}."""
        out: dict[str, dict[str, dict[str, int]]] = {}
        for name, stream in self.streams.items():
            symbol, _, kind = name.partition("@")
            figures = {"count": stream.count, "first_id": stream.first_id, "last_id": stream.last_id}
            out.setdefault(symbol.upper(), {})[kind] = figures
        return out

    def late_ms_percentiles(self) -> dict[str, float]:
        """Return percentiles of sending time minus due time, wall ms, over the latest events; {} if there are none."""
        if not self.late_ms:
            return {}
        p50, p99, most = np.percentile(list(self.late_ms), (50, 99, 100)).round(3).tolist()
        return {"p50": p50, "p99": p99, "max": most}

    def _recent(self, symbol: str, kind: str, start_ms: int, end_ms: int | None) -> list[Event]:
        stream = self.streams.get(f"{symbol.lower()}@{kind}")
        recent = stream.recent if stream else ()
        return [e for e in recent if start_ms * 1000 <= e.due_us and (end_ms is None or e.due_us <= end_ms * 1000)]
