"""What the exchange sent; enters: every event that reached a subscriber; leaves: counts, ids and recent payloads."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import msgspec
import numpy as np

from app.exchange.source import AGG_TRADE, BOOK_TICKER, TRADE, Event

REMEMBERED = 200_000  # events of all streams together, about 60 MB


def remembered(symbols: int) -> int:
    """Return how many events of each stream are kept: 20,000 for one symbol, fewer for many, at least 100."""
    return max(100, min(20_000, REMEMBERED // (2 * symbols)))


@dataclass(slots=True)
class Stream:
    """One stream's record; `recent` is bounded."""

    recent: deque[Event]
    count: int = 0
    first_id: int = 0
    last_id: int = 0


@dataclass(slots=True)
class SentLog:
    """All streams' records, and how late the latest events left, wall ms."""

    remember: int = 20_000  # events of each stream
    streams: dict[str, Stream] = field(default_factory=dict)
    late_ms: deque[float] = field(default_factory=lambda: deque(maxlen=10_000))

    def add(self, event: Event, late_ms: float) -> None:
        """Note an event that was sent to at least one client."""
        stream = self.streams.get(event.stream)
        if stream is None:
            stream = self.streams[event.stream] = Stream(deque(maxlen=self.remember), first_id=event.key)
        stream.recent.append(event)
        stream.count += 1
        stream.last_id = event.key
        self.late_ms.append(late_ms)

    def trade_ids(self, symbol: str, kind: str = AGG_TRADE) -> list[int]:
        """Ids of the recent trades sent, in the order sent."""
        return [event.key for event in self._recent(symbol, kind, 0, None)]

    def between(self, symbol: str, start_ms: int, end_ms: int | None) -> dict[str, object]:
        """Trade ids and quotes sent with due times in start … end, from what is remembered."""
        return {
            "symbol": symbol,
            "trades": [event.key for event in self._recent(symbol, AGG_TRADE, start_ms, end_ms)],
            "raw_trades": [event.key for event in self._recent(symbol, TRADE, start_ms, end_ms)],
            "quotes": [msgspec.Raw(event.data) for event in self._recent(symbol, BOOK_TICKER, start_ms, end_ms)],
        }

    def summary(self) -> dict[str, dict[str, dict[str, int]]]:
        """{"BTCUSDT": {"aggTrade": {"count": 3, "first_id": 7, "last_id": 9}}}."""
        out: dict[str, dict[str, dict[str, int]]] = {}
        for name, stream in self.streams.items():
            symbol, _, kind = name.partition("@")
            figures = {"count": stream.count, "first_id": stream.first_id, "last_id": stream.last_id}
            out.setdefault(symbol.upper(), {})[kind] = figures
        return out

    def lateness(self) -> dict[str, float]:
        """Percentiles of sending time minus due time, wall ms, over the latest events."""
        if not self.late_ms:
            return {}
        p50, p99, most = np.percentile(list(self.late_ms), (50, 99, 100)).round(3).tolist()
        return {"p50": p50, "p99": p99, "max": most}

    def _recent(self, symbol: str, kind: str, start_ms: int, end_ms: int | None) -> list[Event]:
        stream = self.streams.get(f"{symbol.lower()}@{kind}")
        recent = stream.recent if stream else ()
        return [e for e in recent if start_ms * 1000 <= e.due_us and (end_ms is None or e.due_us <= end_ms * 1000)]
