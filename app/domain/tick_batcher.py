"""The tick batcher: trades and quotes of one partition grouped into one `TickBatch` per second.

A second closes when a trade of a later second has arrived, or after a grace period (the usual delay of trades and
50 ms). Only trades carry the exchange's time: a quote belongs to the clock second it was received in, so it proves
nothing about trades that have not arrived yet. A trade whose second is closed joins the next batch under its own time
and is counted in `Ticks.late`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import msgspec

from app.domain.ticks import Event, Quote, Trade, quote_columns, trade_columns
from app.domain.trade_ids import TradeIds
from app.records import TickBatch, Ticks

AHEAD_MS = 1000.0  # wall time: a trade this far ahead of the local clock still closes a second
IMPLAUSIBLE_AHEAD_MS = 60_000.0  # wall time: a trade further in the future is refused
IMPLAUSIBLE_BACK = 1_000_000  # book updates: an id so much lower is right, and the one before was damaged


@dataclass(slots=True)
class SymbolBuffer:
    """The trades and quotes of one symbol that are not published yet."""

    ids: TradeIds = field(default_factory=TradeIds)
    trades: dict[int, list[Trade]] = field(default_factory=dict)  # by the second of the batch they will be in
    quotes: dict[int, list[Quote]] = field(default_factory=dict)
    update_id: int = -1
    last_id: int = -1  # newest id written
    missing: int = 0  # ids not fetched since the last batch
    open_ids: int = 0  # of open holes that touch the last 300 s
    newest_ms: int = 0  # newest trade's time
    holes: dict[int, tuple[float, float]] = field(default_factory=dict)  # first id of a hole → times around it


class TickBatcher:
    """The open second of one partition.

    >>> batcher = TickBatcher(0, ("BTCUSDT",), second=100)
    >>> batcher.add(Trade("BTCUSDT", 7, 100_250, 60_000.0, 0.1, True))
    True
    >>> batcher.add(Trade("BTCUSDT", 8, 101_003, 60_000.5, 0.2, False)), batcher.is_closable(101_004.0, grace_ms=50.0)
    (True, True)
    >>> batch = batcher.close(closed_ms=1.0, generation=1)
    >>> batch.second, batch.symbols["BTCUSDT"].trades.id, batcher.second
    (100, [7], 101)
    """

    def __init__(self, partition: int, symbols: Iterable[str], second: int, rate: float = 1.0) -> None:
        self.partition = partition
        self.second = self.first_second = second  # the open one, and the one it began with
        self.rate = rate  # exchange seconds per wall second
        self.buffers = {symbol: SymbolBuffer() for symbol in symbols}
        self._newest_ms = 0  # newest trade time

    def add(self, event: Event) -> bool:
        """Add a trade or quote of one of the symbols; return False for a repeated one."""
        if isinstance(event, Quote):
            return self._quote(self.buffers[event.symbol], event)
        return self._trade(self.buffers[event.symbol], event)

    def implausible_reason(self, event: Event, exchange_ms: float) -> str:
        """Return why an event cannot be genuine, or ""."""
        if isinstance(event, Quote):
            return ""
        if event.time_ms > exchange_ms + IMPLAUSIBLE_AHEAD_MS * self.rate:
            return f"trade time {event.time_ms} is in the future"
        return "" if self.buffers[event.symbol].ids.is_plausible(event.id) else f"trade id {event.id} jumps too far"

    def is_closable(self, exchange_ms: float, grace_ms: float) -> bool:
        """Return whether the open second may be closed; `exchange_ms`: now by the exchange, `grace_ms`: wall time."""
        if exchange_ms >= self.due_ms(grace_ms):
            return True
        return self.has_later_trade and exchange_ms >= (self.second + 1) * 1000 - AHEAD_MS * self.rate

    @property
    def has_later_trade(self) -> bool:
        """Whether a trade of a later second has arrived."""
        return self._newest_ms >= (self.second + 1) * 1000

    def due_ms(self, grace_ms: float) -> float:
        """Return the exchange time at which the open second closes at the latest."""
        return (self.second + 1) * 1000 + grace_ms * self.rate

    def close(self, closed_ms: float, generation: int, *, late: bool = False) -> TickBatch:
        """Close the open second and open the next."""
        symbols = {symbol: self._batch(buffer) for symbol, buffer in self.buffers.items()}
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
        buffer = self.buffers[symbol]
        given_up = buffer.ids.give_up(start, stop)
        buffer.missing += given_up
        return given_up

    def gaps(self) -> Iterator[tuple[str, TradeIds]]:
        """Yield symbol and trade ids of the symbols with missing ids."""
        return ((symbol, buffer.ids) for symbol, buffer in self.buffers.items() if buffer.ids.gaps)

    def _trade(self, buffer: SymbolBuffer, trade: Trade) -> bool:
        expected = buffer.ids.next
        if not buffer.ids.add(trade.id):
            return False
        if expected is not None and trade.id > expected:
            buffer.holes[expected] = (float(buffer.newest_ms or self.second * 1000), float(trade.time_ms))
        buffer.newest_ms = max(buffer.newest_ms, trade.time_ms)
        buffer.trades.setdefault(max(trade.time_ms // 1000, self.second), []).append(trade)
        self._newest_ms = max(self._newest_ms, trade.time_ms)
        return True

    def _quote(self, buffer: SymbolBuffer, quote: Quote) -> bool:
        if buffer.update_id - IMPLAUSIBLE_BACK < quote.update_id <= buffer.update_id:
            return False
        buffer.update_id = quote.update_id
        open_ms = self.second * 1000
        if quote.time_ms < open_ms:  # the local clock was set back a little
            quote = msgspec.structs.replace(quote, time_ms=open_ms)
        buffer.quotes.setdefault(quote.time_ms // 1000, []).append(quote)
        return True

    def _batch(self, buffer: SymbolBuffer) -> Ticks:
        if not buffer.ids.gaps:
            buffer.holes.clear()
        trades, quotes = buffer.trades.pop(self.second, []), buffer.quotes.pop(self.second, [])
        trades.sort(key=lambda trade: trade.id)
        buffer.last_id = max(buffer.last_id, trades[-1].id if trades else -1)
        missing, buffer.missing = buffer.missing, 0
        return Ticks(
            trades=trade_columns(trades),
            quotes=quote_columns(quotes),
            last_id=buffer.last_id,
            late=sum(trade.time_ms < self.second * 1000 for trade in trades),
            missing=missing,
            open_ids=buffer.open_ids,
        )
