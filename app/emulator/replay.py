"""A market source that replays recordings: trades and quotes at the pace of their receipt.

Recorded `trade` messages are served on `@trade` as they came and as `@aggTrade` (a = f = l = trade id), unless the
symbol's own `aggTrade` was recorded. There is no history before a recording's start.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import numpy as np

from app.emulator.columns import Bools, QuoteColumns, Scale, TradeColumns
from app.emulator.market_source import Book, Event, MarketSourceError
from app.emulator.recorded_data import RecordedData, load_recordings


class ReplayMarket:
    """A `MarketSource` of recorded events. The exchange's clock starts at the first event's receive time."""

    def __init__(self, label: str, recorded: RecordedData) -> None:
        self.label = label
        self._recorded = recorded
        self._due_us = [event.due_us for event in recorded.events]

    @property
    def symbols(self) -> tuple[str, ...]:
        """Symbols that traded or were quoted, in order of appearance."""
        return tuple(self._recorded.scales)

    @property
    def span_us(self) -> tuple[int, int]:
        """First and last event's receive time, epoch µs."""
        return self._due_us[0], self._due_us[-1]

    def scale(self, symbol: str) -> Scale:
        """Return as many decimals as the recording uses."""
        return self._recorded.scales[symbol]

    def details(self) -> dict[str, object]:
        """Return how much the files hold, served and not served."""
        recorded = self._recorded
        malformed = {
            "count": recorded.malformed_count,
            "first": [f"{m.location}: {m.reason}" for m in recorded.malformed],
        }
        return {"events": len(recorded.events), "malformed": malformed, "not_served": dict(recorded.not_served)}

    def events(self, streams: Collection[str], start_us: int, end_us: int) -> list[Event]:
        """Return events of these streams received in [start, end), in the order of receipt."""
        low, high = bisect_left(self._due_us, start_us), bisect_left(self._due_us, end_us)
        return [event for event in self._recorded.events[low:high] if event.stream in streams]

    def past_trades(self, symbol: str, start_ms: int, end_ms: int, *, backward: bool = False) -> Iterator[TradeColumns]:
        """Yield the trades with `start <= T < end` in one piece, by trade time."""
        trades = self._recorded.trades[symbol]
        low, high = np.searchsorted(trades.time_ms, (start_ms, end_ms))
        yield trades.select(slice(low, high))

    def first_trade_ms(self, symbol: str) -> int:
        """Return the time of the first recorded trade; of the recording's end if there is none."""
        times_ms = self._recorded.trades[symbol].time_ms
        return int(times_ms[0] if len(times_ms) else self.span_us[1] // 1000)

    def search_start_ms(self, symbol: str, trade_id: int) -> int:
        """Return the trade time of this trade or the next one; a time after the end for ids beyond the last."""
        trades = self._recorded.trades[symbol]
        later: Bools = trades.ids >= trade_id
        return int(trades.time_ms[later].min()) if later.any() else int(self.span_us[1] // 1000 + 1)

    def quote(self, symbol: str, now_us: int) -> QuoteColumns | None:
        """Return the last quote received before now; None if there was none."""
        quotes = self._recorded.quotes[symbol]
        until = int(np.searchsorted(quotes.due_us, now_us))
        return quotes.select(slice(until - 1, until)) if until else None

    def book(self, symbol: str, now_us: int) -> Book | None:
        """Return None: no book is known."""
        return None

    def prepare(self, streams: Collection[str], now_us: int) -> None:
        """Do nothing: the events are in memory already."""


def replay(files: Sequence[Path | str]) -> ReplayMarket:
    """Return a source of these recordings, merged by receive time; raises MarketSourceError for an unusable one."""
    paths = [Path(file) for file in files]
    if not paths:
        raise MarketSourceError("replay: no recording; name at least one file")
    recorded = load_recordings(paths)
    if not recorded.events:
        raise MarketSourceError(
            f"replay: no trade and no quote in {', '.join(map(str, paths))} ({recorded.malformed_count} lines are not"
            " messages); give a raw recording of Binance's combined stream"
        )
    return ReplayMarket(f"replay {' '.join(path.name for path in paths)}", recorded)
