"""A synthetic market as a source; enters: seed and symbols; leaves: events, any amount of past, and an oracle.

Everything is a function of (seed, symbol, time): a restart goes on with the same ids and prices, and REST's past
agrees with the stream. The law is in `process`, trades and quotes in `flow`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from functools import lru_cache
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike

from app.exchange import order_flow
from app.exchange.columns import Floats, Ints, QuoteColumns, Scale, TradeColumns
from app.exchange.frames import agg_trade_events, quote_events, trade_events
from app.exchange.listings import Listing, listings
from app.exchange.order_flow import MINUTE_US, Minute
from app.exchange.price_process import EPOCH_S, HOUR_S, Hour, PriceProcess, hour_of, hour_with
from app.exchange.source import AGG_TRADE, BOOK_TICKER, TRADE, Event

MINUTE_MS = 60_000
FIRST_MINUTE = EPOCH_S // 60
T = TypeVar("T")


class Synthetic:
    """The market of one `PriceProcess`; a `Source`. Safe to ask from several threads."""

    def __init__(self, process: PriceProcess, listed: tuple[Listing, ...]) -> None:
        self.process = process
        self._listed = {listing.symbol: listing for listing in listed}
        many = len(listed)
        self._hour: Callable[[str, int], Hour] = lru_cache(32 + 3 * many)(self._make_hour)
        # The stream's minutes are kept apart: a long look back must not push them out.
        self._live_minute: Callable[[str, int], Minute] = lru_cache(3 * many)(self._make_minute)
        self._live_quotes: Callable[[str, int], QuoteColumns] = lru_cache(3 * many)(self._make_quotes)
        self._past_minute: Callable[[str, int], Minute] = lru_cache(256)(self._make_minute)
        self._prepared: dict[str, int] = {}

    @property
    def label(self) -> str:
        """`synthetic 7` or `synthetic 7 (martingale)`."""
        return f"synthetic {self.process.seed}{' (martingale)' if self.process.martingale else ''}"

    @property
    def symbols(self) -> tuple[str, ...]:
        """Upper-case names, in listing order."""
        return tuple(self._listed)

    @property
    def span_us(self) -> None:
        """A market without an end; its beginning is 2024-01-01."""
        return None

    def scale(self, symbol: str) -> Scale:
        """Decimals of the symbol's prices and quantities."""
        return self._listed[symbol].scale

    def about(self) -> dict[str, object]:
        """Return the parameters of the law."""
        law = self.process
        return {"seed": law.seed, "martingale": law.martingale, "ticks_per_s": law.ticks_per_s}

    def events(self, streams: Collection[str], start_us: int, end_us: int) -> list[Event]:
        """Events of these streams due in [start, end), ordered by due time."""
        events: list[Event] = []
        for stream in streams:
            name, _, kind = stream.partition("@")
            if name.upper() in self._listed and kind in {AGG_TRADE, TRADE, BOOK_TICKER}:
                events += self._events_of(name.upper(), kind, start_us, end_us)
        events.sort(key=lambda event: event.due_us)
        return events

    def past(self, symbol: str, start_ms: int, end_ms: int, *, backward: bool = False) -> Iterator[TradeColumns]:
        """Trades with `start <= T < end`, minute by minute."""
        first, last = max(FIRST_MINUTE, start_ms // MINUTE_MS), (end_ms - 1) // MINUTE_MS
        minutes = range(last, first - 1, -1) if backward else range(first, last + 1)
        for minute in minutes:
            trades = self._past_minute(symbol, minute).trades
            low, high = np.searchsorted(trades.time_ms, (start_ms, end_ms))
            yield trades.where(slice(low, high))

    def begins_ms(self, symbol: str) -> int:
        """Return the beginning of time: all symbols have traded since 2024-01-01."""
        return EPOCH_S * 1000

    def since_ms(self, symbol: str, trade_id: int) -> int:
        """Return the start of the minute that holds this trade."""
        hour = self._hour(symbol, hour_with(self.process, self._listed[symbol], trade_id))
        minute = int(np.searchsorted(hour.first_ids[1:], trade_id, side="right"))
        return (hour.start_s + 60 * min(minute, 59)) * 1000

    def quote(self, symbol: str, now_us: int) -> QuoteColumns | None:
        """Return the best bid and ask that stand at this moment (one row)."""
        minute = now_us // MINUTE_US
        for index in (minute, minute - 1):
            if index < FIRST_MINUTE:
                return None
            quotes = self._live_quotes(symbol, index)
            until = int(np.searchsorted(quotes.due_us, now_us))
            if until:
                return quotes.where(slice(until - 1, until))
        return None

    def prepare(self, streams: Collection[str], now_us: int) -> None:
        """Make next minute's trades and quotes, a few symbols at a time, before the clock gets there."""
        following = now_us // MINUTE_US + 1
        symbols = [name for name in self._listed if self._prepared.get(name, 0) < following]
        wanted = {stream.partition("@")[0].upper() for stream in streams}
        due = [name for name in symbols if name in wanted]
        for symbol in due[: 1 + len(wanted) // 50]:
            self._live_quotes(symbol, following)
            self._prepared[symbol] = following

    def oracle(self, symbol: str, second: ArrayLike, horizon_s: int) -> Floats:
        """Return expected log return of the mid over `horizon_s` from the full epoch seconds `second` on (any shape).

        Nobody can know more at that instant: it uses the signal of the second that just ended, which trades and quotes
        showed, and the law (see `process`). For a batch of second s, closed at s + 1, ask for s + 1.
        """
        law = self.process
        weight = law.drift * law.decay * (1 - law.decay**horizon_s) / (1 - law.decay)
        return weight * self._by_second(symbol, second, lambda hour, s: hour.sigma_hour * hour.signal[s - 1])

    def log_mid(self, symbol: str, second: ArrayLike) -> Floats:
        """Log of the mid price at full epoch seconds (any shape), before rounding to ticks."""
        return self._by_second(symbol, second, lambda hour, s: hour.log_mid[s])

    def _by_second(self, symbol: str, second: ArrayLike, read: Callable[[Hour, Ints], Floats]) -> Floats:
        """Return what `read` finds for the instant `second`; a full hour belongs to the hour that ends there."""
        seconds = np.asarray(second, np.int64) - EPOCH_S
        hours = (seconds - 1) // HOUR_S
        out = np.empty(seconds.shape)
        for index in np.unique(hours).tolist():
            here = hours == index
            out[here] = read(self._hour(symbol, index), seconds[here] - index * HOUR_S)
        return out

    def _events_of(self, symbol: str, kind: str, start_us: int, end_us: int) -> list[Event]:
        events: list[Event] = []
        scale = self.scale(symbol)
        for minute in range(max(FIRST_MINUTE, start_us // MINUTE_US), (end_us - 1) // MINUTE_US + 1):
            if kind == BOOK_TICKER:
                events += quote_events(symbol, scale, _due(self._live_quotes(symbol, minute), start_us, end_us))
            else:
                trades = _due(self._live_minute(symbol, minute).trades, start_us, end_us)
                events += (agg_trade_events if kind == AGG_TRADE else trade_events)(symbol, scale, trades)
        return events

    def _make_hour(self, symbol: str, index: int) -> Hour:
        return hour_of(self.process, self._listed[symbol], index)

    def _make_minute(self, symbol: str, minute: int) -> Minute:
        hour = self._hour(symbol, (minute - FIRST_MINUTE) // 60)
        return order_flow.minute_of(self.process, self._listed[symbol], hour, minute)

    def _make_quotes(self, symbol: str, minute: int) -> QuoteColumns:
        return order_flow.quotes_of(self.process, self._listed[symbol], self._live_minute(symbol, minute))


Rows = TypeVar("Rows", TradeColumns, QuoteColumns)


def _due(rows: Rows, start_us: int, end_us: int) -> Rows:
    low, high = np.searchsorted(rows.due_us, (start_us, end_us))
    return rows.where(slice(low, high))


def synthetic(
    seed: int,
    symbols: str | int | tuple[str, ...] | list[str] = "BTCUSDT",
    *,
    martingale: bool = False,
    ticks_per_s: float = 30.0,
) -> Synthetic:
    """Return a market of `symbols` (names, "A,B,C" or how many); raises MarketSourceError for what cannot be listed."""
    return Synthetic(PriceProcess(seed, martingale=martingale, ticks_per_s=ticks_per_s), listings(symbols))
