"""The stream cut into seconds. What enters: trades and quotes of one partition; what leaves: one TickBatch a second.

A second closes when a trade of a later second has arrived, or a grace after its end (the
time trades are usually under way, and 50 ms). Only trades carry the exchange's
time: a quote belongs to the clock second it was received in, so it proves nothing about trades still under way. A
trade whose second is closed joins the next batch under its own time and is counted in `Ticks.late`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import msgspec

from app.domain.ticks import Event, Quote, Trade, quote_columns, trade_columns
from app.domain.trade_ids import TradeIds
from app.records import TickBatch, Ticks

AHEAD_MS = 1000.0  # wall time: a trade may be this far ahead of our clock and still close a second
IMPLAUSIBLE_AHEAD_MS = 60_000.0  # wall time: no trade comes from so far in the future
IMPLAUSIBLE_BACK = 1_000_000  # book updates: an id so much lower is right, and the one before was damaged


@dataclass(slots=True)
class Market:
    """What one symbol has open."""

    ids: TradeIds = field(default_factory=TradeIds)
    trades: dict[int, list[Trade]] = field(default_factory=dict)  # by the second of the batch they will be in
    quotes: dict[int, list[Quote]] = field(default_factory=dict)
    update_id: int = -1
    last_id: int = -1  # newest id written
    missing: int = 0  # ids given up since the last batch


class Cutter:
    """One partition's open second.

    >>> cutter = Cutter(0, ("BTCUSDT",), second=100)
    >>> cutter.add(Trade("BTCUSDT", 7, 100_250, 60_000.0, 0.1, True))
    True
    >>> cutter.add(Trade("BTCUSDT", 8, 101_003, 60_000.5, 0.2, False)), cutter.closable(101_004.0, grace_ms=50.0)
    (True, True)
    >>> batch = cutter.close(closed_ms=1.0, generation=1)
    >>> batch.second, batch.symbols["BTCUSDT"].trades.id, cutter.second
    (100, [7], 101)
    """

    def __init__(self, partition: int, symbols: Iterable[str], second: int, rate: float = 1.0) -> None:
        self.partition = partition
        self.second = second  # the open one
        self.rate = rate  # exchange seconds per wall second
        self.markets = {symbol: Market() for symbol in symbols}
        self._newest_ms = 0  # newest trade time

    def add(self, event: Event) -> bool:
        """Take a trade or quote of one of the symbols; False for one that was taken before."""
        if isinstance(event, Quote):
            return self._quote(self.markets[event.symbol], event)
        return self._trade(self.markets[event.symbol], event)

    def implausible(self, event: Event, exchange_ms: float) -> str:
        """Return why an event cannot be true, or "" for one that can."""
        if isinstance(event, Quote):
            return ""
        if event.time_ms > exchange_ms + IMPLAUSIBLE_AHEAD_MS * self.rate:
            return f"trade time {event.time_ms} is in the future"
        return "" if self.markets[event.symbol].ids.plausible(event.id) else f"trade id {event.id} jumps too far"

    def closable(self, exchange_ms: float, grace_ms: float) -> bool:
        """Say whether the open second is over: `exchange_ms` now on the exchange's clock, `grace_ms` wall time."""
        if exchange_ms >= self.due_ms(grace_ms):
            return True
        return self.later and exchange_ms >= (self.second + 1) * 1000 - AHEAD_MS * self.rate

    @property
    def later(self) -> bool:
        """Whether a trade of a later second is here."""
        return self._newest_ms >= (self.second + 1) * 1000

    def due_ms(self, grace_ms: float) -> float:
        """Return the exchange time at which the open second closes at the latest."""
        return (self.second + 1) * 1000 + grace_ms * self.rate

    def close(self, closed_ms: float, generation: int, *, late: bool = False) -> TickBatch:
        """Close the open second and open the next."""
        symbols = {symbol: self._cut(market) for symbol, market in self.markets.items()}
        batch = TickBatch(
            partition=self.partition,
            second=self.second,
            closed_ms=closed_ms,
            generation=generation,
            symbols=symbols,
            late=late,
        )
        self.second += 1
        return batch

    def give_up(self, symbol: str, start: int, stop: int) -> int:
        """Count the ids still open within [start, stop) as missing; return how many."""
        market = self.markets[symbol]
        given_up = market.ids.give_up(start, stop)
        market.missing += given_up
        return given_up

    def holes(self) -> Iterator[tuple[str, TradeIds]]:
        """Yield the symbols with skipped ids that are still waited for."""
        return ((symbol, market.ids) for symbol, market in self.markets.items() if market.ids.holes)

    def _trade(self, market: Market, trade: Trade) -> bool:
        if not market.ids.take(trade.id):
            return False
        market.trades.setdefault(max(trade.time_ms // 1000, self.second), []).append(trade)
        self._newest_ms = max(self._newest_ms, trade.time_ms)
        return True

    def _quote(self, market: Market, quote: Quote) -> bool:
        if market.update_id - IMPLAUSIBLE_BACK < quote.update_id <= market.update_id:
            return False
        market.update_id = quote.update_id
        open_ms = self.second * 1000
        if quote.time_ms < open_ms:  # our clock was set back a little
            quote = msgspec.structs.replace(quote, time_ms=open_ms)
        market.quotes.setdefault(quote.time_ms // 1000, []).append(quote)
        return True

    def _cut(self, market: Market) -> Ticks:
        trades, quotes = market.trades.pop(self.second, []), market.quotes.pop(self.second, [])
        trades.sort(key=lambda trade: trade.id)
        market.last_id = max(market.last_id, trades[-1].id if trades else -1)
        missing, market.missing = market.missing, 0
        return Ticks(
            trades=trade_columns(trades),
            quotes=quote_columns(quotes),
            last_id=market.last_id,
            late=sum(trade.time_ms < self.second * 1000 for trade in trades),
            missing=missing,
        )
