"""The tick batcher: trades, quotes and books of one partition grouped into one `TickBatch` per second.

A second closes when a trade of a later second has arrived, or after a grace period (the usual delay of trades and
50 ms). Only trades carry the exchange's time: quotes and books belong to the second of their receipt less the usual
delay, so they prove nothing about trades that have not arrived yet. A trade whose second is closed joins the next batch
under its own time and is counted in `Ticks.late`. A trade from the future of the exchange's clock waits for its second;
while it is the newest one, trades close nothing, for its time may be wrong.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import msgspec

from app.domain.id_check import IdCheck
from app.domain.ticks import Event, Quote, Trade, quote_columns, trade_columns
from app.domain.trade_ids import TradeIds
from app.records import Book, TickBatch, Ticks

AHEAD_MS = 50.0  # wall time: a trade this far ahead of the exchange's clock still closes a second
IMPLAUSIBLE_AHEAD_MS = 60_000.0  # wall time: a trade further in the future is refused
IMPLAUSIBLE_BACK = 1_000_000  # book updates: an id so much lower is right, and the one before was damaged


@dataclass(slots=True)
class SymbolBuffer:
    """The trades, quotes and books of one symbol that are not published yet."""

    ids: TradeIds = field(default_factory=TradeIds)
    check: IdCheck = field(default_factory=IdCheck)
    trades: dict[int, list[Trade]] = field(default_factory=dict)  # by the second of the batch they will be in
    quotes: dict[int, list[Quote]] = field(default_factory=dict)
    books: dict[int, Book] = field(default_factory=dict)  # the newest one of each second
    update_id: int = -1
    book_update_id: int = -1
    last_id: int = -1  # newest id written
    missing: int = 0  # ids not fetched since the last batch
    open_ids: int = 0  # of open holes that touch the last 300 s
    quote_outage: bool = False  # one is open
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
        """Add a trade, quote or book of one of the symbols; return False for a repeated one."""
        buffer = self.buffers[event.symbol]
        if isinstance(event, Trade):
            return self._trade(buffer, event)
        return self._quote(buffer, event) if isinstance(event, Quote) else self._book(buffer, event.book)

    def implausible_reason(self, event: Event, exchange_ms: float) -> str:
        """Return why an event cannot be genuine, or ""."""
        if not isinstance(event, Trade):
            return ""
        if event.time_ms > exchange_ms + IMPLAUSIBLE_AHEAD_MS * self.rate:
            return f"trade time {event.time_ms} is in the future"
        return ""

    def check(self, event: Event, exchange_ms: float) -> list[Event]:
        """Return which events may be added now that this one was received: a trade whose id is in doubt waits."""
        if not isinstance(event, Trade):
            return [event]
        buffer = self.buffers[event.symbol]
        return [*buffer.check.update(event, buffer.ids, exchange_ms)]

    def release(self, exchange_ms: float) -> None:
        """Add trades that have waited long enough for others to agree with their ids."""
        for buffer in self.buffers.values():
            for trade in buffer.check.release(buffer.ids, exchange_ms, self.rate):
                self._trade(buffer, trade)

    def refused(self) -> Iterator[Trade]:
        """Yield the trades refused since the last call, their ids damaged."""
        for buffer in self.buffers.values():
            yield from buffer.check.refused
            buffer.check.refused.clear()

    def is_closable(self, exchange_ms: float, grace_ms: float) -> bool:
        """Return whether the open second may be closed; `exchange_ms`: now by the exchange, `grace_ms`: wall time."""
        if exchange_ms >= self.due_ms(grace_ms):
            return True
        return self.has_later_trade and not self.is_ahead(self._newest_ms, exchange_ms)

    def is_ahead(self, time_ms: int, exchange_ms: float) -> bool:
        """Return whether a trade's time is in the future of the exchange's clock."""
        return time_ms > exchange_ms + AHEAD_MS * self.rate

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
        if _is_repeated(quote.update_id, buffer.update_id):
            return False
        buffer.update_id = quote.update_id
        open_ms = self.second * 1000
        if quote.time_ms < open_ms:  # the clock was set back a little, or it took longer than usual
            quote = msgspec.structs.replace(quote, time_ms=open_ms)
        buffer.quotes.setdefault(quote.time_ms // 1000, []).append(quote)
        return True

    def _book(self, buffer: SymbolBuffer, book: Book) -> bool:
        if _is_repeated(book.update_id, buffer.book_update_id - 1):  # a book that did not change is sent again
            return False
        buffer.book_update_id = book.update_id
        open_ms = self.second * 1000
        if book.time_ms < open_ms:
            book = msgspec.structs.replace(book, time_ms=open_ms)
        buffer.books[book.time_ms // 1000] = book
        return True

    def _batch(self, buffer: SymbolBuffer) -> Ticks:
        if not buffer.ids.gaps:
            buffer.holes.clear()
        trades, quotes = buffer.trades.pop(self.second, []), buffer.quotes.pop(self.second, [])
        trades.sort(key=lambda trade: trade.id)
        written = (buffer.last_id, *(trade.id for trade in trades))
        buffer.last_id = max(filter(buffer.ids.is_of_sequence, written), default=buffer.last_id)
        missing, buffer.missing = buffer.missing, 0
        return Ticks(
            trades=trade_columns(trades),
            quotes=quote_columns(quotes),
            last_id=buffer.last_id,
            late=sum(trade.time_ms < self.second * 1000 for trade in trades),
            missing=missing,
            book=buffer.books.pop(self.second, None),
            open_ids=buffer.open_ids,
            quote_outage=buffer.quote_outage,
        )


def _is_repeated(update_id: int, newest: int) -> bool:
    return newest - IMPLAUSIBLE_BACK < update_id <= newest
