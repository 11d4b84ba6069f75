"""Recordings as a source; enters: files; leaves: their trades and quotes at the pace they were received.

Recorded `trade` messages are served on `@trade` as they came and as `@aggTrade` (a = f = l = trade id), unless the
symbol's own `aggTrade` was recorded. What lies before the recording's start is unknown: it is the only history.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import numpy as np

from app.exchange.columns import Bools, QuoteColumns, Scale, TradeColumns
from app.exchange.source import Event, MarketSourceError
from app.exchange.tape import Tape, record


class Replay:
    """What was recorded; a `Source`. The exchange's clock runs from the first event's receive time."""

    def __init__(self, label: str, tape: Tape) -> None:
        self.label = label
        self._tape = tape
        self._due_us = [event.due_us for event in tape.events]

    @property
    def symbols(self) -> tuple[str, ...]:
        """Symbols that traded or were quoted, in order of appearance."""
        return tuple(self._tape.scales)

    @property
    def span_us(self) -> tuple[int, int]:
        """First and last event's receive time."""
        return self._due_us[0], self._due_us[-1]

    def scale(self, symbol: str) -> Scale:
        """As many decimals as the recording uses."""
        return self._tape.scales[symbol]

    def about(self) -> dict[str, object]:
        """Return what was in the files, served and not."""
        tape = self._tape
        malformed = {"count": tape.malformed_count, "first": [f"{m.place}: {m.reason}" for m in tape.malformed]}
        return {"events": len(tape.events), "malformed": malformed, "not_served": dict(tape.not_served)}

    def events(self, streams: Collection[str], start_us: int, end_us: int) -> list[Event]:
        """Events of these streams received in [start, end), in the order of their receipt."""
        low, high = bisect_left(self._due_us, start_us), bisect_left(self._due_us, end_us)
        return [event for event in self._tape.events[low:high] if event.stream in streams]

    def past(self, symbol: str, start_ms: int, end_ms: int, *, backward: bool = False) -> Iterator[TradeColumns]:
        """Trades with `start <= T < end`, in one piece, by trade time."""
        trades = self._tape.trades[symbol]
        low, high = np.searchsorted(trades.time_ms, (start_ms, end_ms))
        yield trades.where(slice(low, high))

    def begins_ms(self, symbol: str) -> int:
        """Return the time of the first recorded trade; of the recording's end if there is none."""
        times_ms = self._tape.trades[symbol].time_ms
        return int(times_ms[0] if len(times_ms) else self.span_us[1] // 1000)

    def since_ms(self, symbol: str, trade_id: int) -> int:
        """Trade time of this trade; of the first one for ids before it, beyond the last for later ones."""
        trades = self._tape.trades[symbol]
        later: Bools = trades.ids >= trade_id
        return int(trades.time_ms[later].min()) if later.any() else int(self.span_us[1] // 1000 + 1)

    def quote(self, symbol: str, now_us: int) -> QuoteColumns | None:
        """Return the last quote received until now."""
        quotes = self._tape.quotes[symbol]
        until = int(np.searchsorted(quotes.due_us, now_us))
        return quotes.where(slice(until - 1, until)) if until else None

    def prepare(self, streams: Collection[str], now_us: int) -> None:
        """Everything is ready from the start."""


def replay(files: Sequence[Path | str]) -> Replay:
    """Return a source of these recordings, merged by receive time; raises MarketSourceError for an unusable one."""
    paths = [Path(file) for file in files]
    if not paths:
        raise MarketSourceError("replay: no recording; name at least one file")
    tape = record(paths)
    if not tape.events:
        raise MarketSourceError(
            f"replay: no trade and no quote in {', '.join(map(str, paths))} ({tape.malformed_count} lines are not"
            " messages); give a raw recording of Binance's combined stream"
        )
    return Replay(f"replay {' '.join(path.name for path in paths)}", tape)
