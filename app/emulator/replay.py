"""A market source that replays recordings: trades, quotes and books at the pace of their receipt.

Recorded `trade` messages are served on `@trade` as they came and as `@aggTrade` (a = f = l = trade id), unless the
symbol's own `aggTrade` was recorded. There is no history before a recording's start. Where
`@depth20@100ms` or `@kline_1s` was not recorded, it is made of the differences of the book or of the trades.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import numpy as np

from app.emulator.book_replay import BookReplay
from app.emulator.columns import Bools, QuoteColumns, Scale, TradeColumns
from app.emulator.kline_payloads import kline_events
from app.emulator.market_source import DEPTH20, KLINE, Event, MarketSourceError, OrderBook
from app.emulator.payloads import stream_name
from app.emulator.recorded_data import RecordedData, load_recordings


class ReplayMarket:
    """A `MarketSource` of recorded events. The exchange's clock starts at the first event's receive time."""

    def __init__(self, label: str, recorded: RecordedData) -> None:
        self.label = label
        self._recorded = recorded
        self._due_us = [event.due_us for event in recorded.events]
        recorded_streams = {event.stream for event in recorded.events}
        self._tops = {  # where the top 20 was not recorded, it is made of the differences
            stream: BookReplay(symbol, messages)
            for symbol, messages in recorded.books.items()
            if (stream := stream_name(symbol, DEPTH20)) not in recorded_streams
        }
        self._books = {symbol: BookReplay(symbol, messages) for symbol, messages in recorded.books.items()}
        self._klines: dict[str, list[Event]] = {}
        self._recorded_streams = recorded_streams

    @property
    def symbols(self) -> tuple[str, ...]:
        """Symbols that traded or were quoted (if none was, those with a book), in order of appearance."""
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
        details = {"events": len(recorded.events), "malformed": malformed, "not_served": dict(recorded.not_served)}
        behind = {clock.file: reason for clock in recorded.clocks if (reason := clock.behind_reason())}
        return details | ({"clock_behind": behind} if behind else {}) | self._about_books()

    def _about_books(self) -> dict[str, object]:
        """{"books": {"BTCUSDT": "from differences alone: levels that have not changed yet are missing"}}"""
        alone = "from differences alone: levels that have not changed yet are missing"
        books = {
            symbol: "from snapshots" if any(one.is_snapshot for one in messages) else alone
            for symbol, messages in self._recorded.books.items()
        }
        return {"books": books} if books else {}

    def events(self, streams: Collection[str], start_us: int, end_us: int) -> list[Event]:
        """Return events of these streams received in [start, end), in the order of receipt."""
        low, high = bisect_left(self._due_us, start_us), bisect_left(self._due_us, end_us)
        events = [event for event in self._recorded.events[low:high] if event.stream in streams]
        derived = [event for stream in streams for event in self._derived(stream, start_us, end_us)]
        return sorted(events + derived, key=lambda event: event.due_us) if derived else events

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

    def book(self, symbol: str, now_us: int) -> OrderBook | None:
        """Return the book after the last recorded difference or snapshot before now; None while it is not known."""
        return self._books[symbol].at(now_us) if symbol in self._books else None

    def prepare(self, streams: Collection[str], now_us: int) -> None:
        """Do nothing: the events are in memory already."""

    def _derived(self, stream: str, start_us: int, end_us: int) -> list[Event]:
        """Return the events of a stream that was not recorded and can be made of others."""
        if stream in self._tops:
            return self._tops[stream].events(start_us, end_us)
        name, _, kind = stream.partition("@")
        if kind != KLINE or name.upper() not in self.symbols or stream in self._recorded_streams:
            return []
        if stream not in self._klines:
            self._klines[stream] = self._make_klines(name.upper())
        return [event for event in self._klines[stream] if start_us <= event.due_us < end_us]

    def _make_klines(self, symbol: str) -> list[Event]:
        trades = self._recorded.trades[symbol]
        if not len(trades):
            return []
        first_ms, last_ms = (int(ms) // 1000 * 1000 for ms in trades.time_ms[[0, -1]])
        made = kline_events(symbol, self.scale(symbol), trades, first_ms=first_ms, last_ms=last_ms, before=None)
        return sorted(made, key=lambda event: event.due_us)


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
