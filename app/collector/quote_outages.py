"""Outages of quotes: a symbol's quotes stop while its trades go on, or while no connection is up.

Quotes have no ids that follow one another and cannot be fetched later: an outage is opened at the last quote, and lost
at the next one.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from app.collector.gap_ledger import GapLedger
from app.domain.ticks import Event, Quote
from app.records import Gap

SILENT_MS, DISCONNECTED_MS = 5_000.0, 1_000.0  # wall time without a quote
USUAL_FACTOR = 3.0  # a symbol is silent after so many of its usual longest gaps
FORGET = 0.999  # of the longest gap, with each quote
TRADES = 5  # since the last quote: the symbol is alive


@dataclass(slots=True)
class _Quotes:
    newest_ms: float
    longest_ms: float = 0.0
    trades: int = 0


class QuoteOutages:
    """Follows the quotes of all symbols: `update` with events, `check` some symbols now and then."""

    def __init__(self, ledger: GapLedger) -> None:
        self._ledger = ledger
        self._of: dict[str, _Quotes] = {}

    def update(self, event: Event) -> None:
        """Add an event; a quote ends its symbol's outage."""
        quotes = self._of.get(event.symbol)
        if quotes is None:
            quotes = self._of[event.symbol] = _Quotes(float(event.time_ms))
        if not isinstance(event, Quote):
            quotes.trades += 1
            return
        if not self._ledger.close_outage(event.symbol, "quotes", float(event.time_ms)):
            quotes.longest_ms = max(event.time_ms - quotes.newest_ms, FORGET * quotes.longest_ms)
        quotes.newest_ms, quotes.trades = float(event.time_ms), 0

    def check(
        self, partition: int, symbols: Iterable[str], now_ms: float, rate: float = 1.0, *, is_connected: bool = True
    ) -> None:
        """Open the outages that are seen now; `now_ms` is exchange time, `rate` its seconds per wall second."""
        for symbol in symbols:
            if (quotes := self._of.get(symbol)) and (reason := self._reason(quotes, now_ms, rate, is_connected)):
                self._ledger.open_outage(quote_outage(symbol, partition, reason, quotes.newest_ms, now_ms))

    def _reason(self, quotes: _Quotes, now_ms: float, rate: float, is_connected: bool) -> str:
        silent_ms = now_ms - quotes.newest_ms
        if not is_connected and silent_ms > DISCONNECTED_MS * rate:
            return "disconnected"
        is_silent = silent_ms > max(SILENT_MS * rate, USUAL_FACTOR * quotes.longest_ms)
        return "silent" if is_silent and quotes.trades >= TRADES else ""


def quote_outage(symbol: str, partition: int, reason: str, from_ms: float, opened_ms: float, to_ms: float = 0.0) -> Gap:
    """Return an outage of a symbol's quotes; `to_ms` 0: it lasts."""
    return Gap(
        id=f"{symbol}-quotes-{int(from_ms // 1000)}", symbol=symbol, partition=partition, stream="quotes",
        state="lost" if to_ms else "open", reason=reason, from_ms=from_ms, to_ms=to_ms, opened_ms=opened_ms,
        closed_ms=to_ms,
    )  # fmt: skip
