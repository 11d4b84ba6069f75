"""A market source that simulates trades and quotes of any time from a seed, with the best possible forecast (oracle).

Everything is a function of (seed, symbol, time): a restart continues with the same ids and prices, and REST
agrees with the streams. Prices come from `price_process`, trades and quotes from `order_flow`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from functools import lru_cache
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike

from app.emulator import order_flow
from app.emulator.columns import Floats, Ints, QuoteColumns, Scale, TradeColumns, concatenate
from app.emulator.instruments import Instrument, instruments
from app.emulator.kline_payloads import kline_events
from app.emulator.market_source import AGG_TRADE, BOOK_TICKER, DEPTH, DEPTH20, KLINE, STREAM_KINDS, Event, OrderBook
from app.emulator.order_flow import MINUTE_US, SimulatedMinute
from app.emulator.payloads import agg_trade_events, quote_events, trade_events
from app.emulator.price_process import EPOCH_S, HOUR_S, PriceProcess, SimulatedHour, hour_of_trade, simulate_hour
from app.emulator.synthetic_books import SyntheticBooks

MINUTE_MS = 60_000
FIRST_MINUTE = EPOCH_S // 60
T = TypeVar("T")


class SyntheticMarket:
    """A `MarketSource` of one `PriceProcess`. Its methods may be called from several threads."""

    def __init__(self, process: PriceProcess, listed: tuple[Instrument, ...]) -> None:
        self.process = process
        self._instruments = {instrument.symbol: instrument for instrument in listed}
        many = len(listed)
        self._hour: Callable[[str, int], SimulatedHour] = lru_cache(32 + 3 * many)(self._make_hour)
        # The streams' minutes have a cache of their own: a query of the far past must not evict them.
        self._live_minute: Callable[[str, int], SimulatedMinute] = lru_cache(3 * many)(self._make_minute)
        self._live_quotes: Callable[[str, int], QuoteColumns] = lru_cache(3 * many)(self._make_quotes)
        self._past_minute: Callable[[str, int], SimulatedMinute] = lru_cache(256)(self._make_minute)
        self._books = SyntheticBooks(process, self._instruments, self._live_minute, self._live_quotes)
        self._prepared: dict[str, int] = {}

    @property
    def label(self) -> str:
        """`synthetic 7` or `synthetic 7 (martingale)`."""
        return f"synthetic {self.process.seed}{' (martingale)' if self.process.martingale else ''}"

    @property
    def symbols(self) -> tuple[str, ...]:
        """Upper-case names, in the order of the market."""
        return tuple(self._instruments)

    @property
    def span_us(self) -> None:
        """None: the market begins 2024-01-01 and has no end."""
        return None

    def scale(self, symbol: str) -> Scale:
        """Return the decimals of the symbol's prices and quantities."""
        return self._instruments[symbol].scale

    def details(self) -> dict[str, object]:
        """Return the parameters of the price process."""
        process = self.process
        return {"seed": process.seed, "martingale": process.martingale, "ticks_per_s": process.ticks_per_s}

    def events(self, streams: Collection[str], start_us: int, end_us: int) -> list[Event]:
        """Return the events of these streams due in [start, end), ordered by due time."""
        events: list[Event] = []
        for stream in streams:
            name, _, kind = stream.partition("@")
            if name.upper() in self._instruments and kind in STREAM_KINDS:
                events += self._events_of(name.upper(), kind, start_us, end_us)
        events.sort(key=lambda event: event.due_us)
        return events

    def past_trades(self, symbol: str, start_ms: int, end_ms: int, *, backward: bool = False) -> Iterator[TradeColumns]:
        """Yield trades with `start <= T < end`, minute by minute."""
        first, last = max(FIRST_MINUTE, start_ms // MINUTE_MS), (end_ms - 1) // MINUTE_MS
        minutes = range(last, first - 1, -1) if backward else range(first, last + 1)
        for minute in minutes:
            trades = self._past_minute(symbol, minute).trades
            low, high = np.searchsorted(trades.time_ms, (start_ms, end_ms))
            yield trades.select(slice(low, high))

    def first_trade_ms(self, symbol: str) -> int:
        """Return 2024-01-01, since when all symbols have traded."""
        return EPOCH_S * 1000

    def search_start_ms(self, symbol: str, trade_id: int) -> int:
        """Return the start of the minute that holds this trade."""
        hour = self._hour(symbol, hour_of_trade(self.process, self._instruments[symbol], trade_id))
        minute = int(np.searchsorted(hour.first_ids[1:], trade_id, side="right"))
        return (hour.start_s + 60 * min(minute, 59)) * 1000

    def quote(self, symbol: str, now_us: int) -> QuoteColumns | None:
        """Return the best bid and ask at this time (one row); None before 2024-01-01."""
        minute = now_us // MINUTE_US
        for index in (minute, minute - 1):
            if index < FIRST_MINUTE:
                return None
            quotes = self._live_quotes(symbol, index)
            until = int(np.searchsorted(quotes.due_us, now_us))
            if until:
                return quotes.select(slice(until - 1, until))
        return None

    def book(self, symbol: str, now_us: int) -> OrderBook | None:
        """Return the order book after the last quote before now; None before 2024-01-01."""
        return self._books.book(symbol, now_us)

    def prepare(self, streams: Collection[str], now_us: int) -> None:
        """Compute the next minute's trades and quotes in advance, a few symbols at each call."""
        next_minute = now_us // MINUTE_US + 1
        subscribed = {stream.partition("@")[0].upper() for stream in streams}
        missing = [name for name in self._instruments if self._prepared.get(name, 0) < next_minute]
        due = [name for name in missing if name in subscribed]
        for symbol in due[: 1 + len(subscribed) // 50]:
            self._live_quotes(symbol, next_minute)
            self._prepared[symbol] = next_minute

    def oracle(self, symbol: str, second: ArrayLike, horizon_s: int) -> Floats:
        """Return the expected log return of the mid over `horizon_s` from full epoch seconds `second` on (any shape).

        No forecast can be better at that time: it uses the signal of the second that just ended, which trades and
        quotes show, and the price process itself. For a batch of second s, closed at s + 1, ask for s + 1.
        """
        process = self.process
        weight = process.drift * process.decay * (1 - process.decay**horizon_s) / (1 - process.decay)
        return weight * self._by_second(symbol, second, lambda hour, s: hour.sigma_hour * hour.signal[s - 1])

    def log_mid(self, symbol: str, second: ArrayLike) -> Floats:
        """Return the log of the mid price at full epoch seconds (any shape), before rounding to ticks."""
        return self._by_second(symbol, second, lambda hour, s: hour.log_mid[s])

    def _by_second(self, symbol: str, second: ArrayLike, read: Callable[[SimulatedHour, Ints], Floats]) -> Floats:
        """Return what `read` finds at each `second`; a full hour belongs to the hour that ends there."""
        seconds = np.asarray(second, np.int64) - EPOCH_S
        hours = (seconds - 1) // HOUR_S
        out = np.empty(seconds.shape)
        for index in np.unique(hours).tolist():
            in_hour = hours == index
            out[in_hour] = read(self._hour(symbol, index), seconds[in_hour] - index * HOUR_S)
        return out

    def _events_of(self, symbol: str, kind: str, start_us: int, end_us: int) -> list[Event]:
        events: list[Event] = []
        scale = self.scale(symbol)
        if kind in {DEPTH, DEPTH20}:
            return self._books.events(symbol, kind, start_us, end_us)
        if kind == KLINE:
            return self._klines(symbol, scale, start_us, end_us)
        for minute in range(max(FIRST_MINUTE, start_us // MINUTE_US), (end_us - 1) // MINUTE_US + 1):
            if kind == BOOK_TICKER:
                events += quote_events(symbol, scale, _due(self._live_quotes(symbol, minute), start_us, end_us))
            else:
                trades = _due(self._live_minute(symbol, minute).trades, start_us, end_us)
                events += (agg_trade_events if kind == AGG_TRADE else trade_events)(symbol, scale, trades)
        return events

    def _klines(self, symbol: str, scale: Scale, start_us: int, end_us: int) -> list[Event]:
        """Return the klines of the seconds that end in [start, end)."""
        first_s, last_s = -(-start_us // 1_000_000) - 1, -(-end_us // 1_000_000) - 2
        minutes = range(max(FIRST_MINUTE, first_s // 60 - 1), last_s // 60 + 1)
        if last_s < max(first_s, EPOCH_S):
            return []
        trades = concatenate([self._live_minute(symbol, minute).trades for minute in minutes])
        earlier = int(np.searchsorted(trades.time_ms, first_s * 1000))
        before = int(trades.ticks[earlier - 1]) if earlier else None
        trades = trades.select(slice(earlier, int(np.searchsorted(trades.time_ms, (last_s + 1) * 1000))))
        return list(kline_events(symbol, scale, trades, first_ms=first_s * 1000, last_ms=last_s * 1000, before=before))

    def _make_hour(self, symbol: str, index: int) -> SimulatedHour:
        return simulate_hour(self.process, self._instruments[symbol], index)

    def _make_minute(self, symbol: str, minute: int) -> SimulatedMinute:
        hour = self._hour(symbol, (minute - FIRST_MINUTE) // 60)
        return order_flow.simulate_minute(self.process, self._instruments[symbol], hour, minute)

    def _make_quotes(self, symbol: str, minute: int) -> QuoteColumns:
        return order_flow.simulate_quotes(self.process, self._instruments[symbol], self._live_minute(symbol, minute))


Rows = TypeVar("Rows", TradeColumns, QuoteColumns)


def _due(rows: Rows, start_us: int, end_us: int) -> Rows:
    low, high = np.searchsorted(rows.due_us, (start_us, end_us))
    return rows.select(slice(low, high))


def synthetic(
    seed: int,
    symbols: str | int | tuple[str, ...] | list[str] = "BTCUSDT",
    *,
    martingale: bool = False,
    ticks_per_s: float = 30.0,
) -> SyntheticMarket:
    """Return a market of `symbols` (names, "A,B,C" or how many); raises MarketSourceError for an invalid one."""
    return SyntheticMarket(PriceProcess(seed, martingale=martingale, ticks_per_s=ticks_per_s), instruments(symbols))
