"""Raw frames decoded into events in exchange time, and the events of the last 30 s."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import chain

from app.clock import Clock, steady_ms
from app.collector.binance_messages import ShutdownNotice, decode
from app.collector.binance_numbers import MalformedError
from app.collector.collector_metrics import CollectorMetrics
from app.collector.receipt import UNKNOWN, Receipt
from app.collector.recent_books import RecentBooks
from app.domain.ticks import BookSnapshot, Event, Trade
from app.domain.trade_delay import TradeDelay
from app.settings import Settings

RECENT_MS = 30_000.0  # wall time: three sessions of the collectors' group
MOST_RECENT = 64 * 2**20 // 320  # events: 64 MiB at 320 bytes each, its place in the queue included
MOST_WAITING = 200_000  # frames that may wait for the exchange's clock
MOST_WAITING_BYTES = 64 * 2**20
OnTradeTime = Callable[[str, int, float], None]  # symbol, exchange ms, wall ms of the receipt


class MarketData:
    """The market data of all symbols, whichever partitions this replica fills; `on_event` gets each event.

    Frames wait until the exchange's clock is known: quotes carry no time and take it from their receipt. Meanwhile
    `on_trade_time` gets the times of trades already, for they may be all that shows the clock.
    """

    def __init__(
        self,
        settings: Settings,
        metrics: CollectorMetrics,
        on_event: Callable[[Event], None],
        on_trade_time: OnTradeTime = lambda _symbol, _time_ms, _at_ms: None,
    ) -> None:
        self.first_frame, self.ready = asyncio.Event(), asyncio.Event()  # ready: the clock is known
        self.started_ms = 0.0  # exchange time of the first frame
        self.received_ms = steady_ms()  # wall time of the newest frame, of the start before the first one
        self._metrics, self._on_event, self._on_trade_time = metrics, on_event, on_trade_time
        self._symbols = frozenset(settings.symbols)
        self._clock: Clock | None = None
        self._transit = TradeDelay()
        self._waiting: deque[tuple[str | bytes, float, Receipt]] = deque(maxlen=MOST_WAITING)
        self._waiting_bytes = 0
        self._recent: deque[tuple[float, Event]] = deque()
        self._recent_books = RecentBooks()
        self._recent_from_ms = 0.0  # events received up to then were dropped for want of room

    @property
    def clock(self) -> Clock:
        """The exchange's clock, once `ready` is set."""
        assert self._clock is not None
        return self._clock

    @property
    def transit_ms(self) -> float:
        """The usual time of a trade from the exchange to here, wall milliseconds."""
        return self._transit.median_ms

    @property
    def recent_since_ms(self) -> float:
        """Exchange time from which on `recent` is complete, except for gaps in the trade ids."""
        return max(self.started_ms, self.clock.exchange_ms(max(steady_ms() - RECENT_MS, self._recent_from_ms)))

    def recent(self, symbols: frozenset[str]) -> Iterator[Event]:
        """Yield the events of the last 30 s: trades and quotes in order of receipt, then a book per second."""
        events = (event for _, event in self._recent if event.symbol in symbols)
        return chain(events, self._recent_books.of(symbols))

    def update_clock(self, clock: Clock) -> None:
        """Learn the exchange's clock; the first one releases the frames that wait for it."""
        self._clock = clock
        if self.ready.is_set():
            return
        self.started_ms = clock.exchange_ms(self._waiting[0][1])
        while self._waiting:
            self.receive(*self._waiting.popleft())
        self.ready.set()

    def receive(self, raw: str | bytes, at_ms: float, receipt: Receipt = UNKNOWN) -> bool:
        """Decode a frame received at a wall time; return whether it announces the end of its connection."""
        self.received_ms = at_ms
        if self._clock is None:
            self._wait(raw, at_ms, receipt)
            return False
        try:
            event = decode(raw, self._untimed_ms(self._clock, at_ms), receipt)
        except MalformedError as error:
            self._metrics.count_malformed(str(error), raw)
            return False
        if isinstance(event, ShutdownNotice):
            return True
        if event is not None and event.symbol in self._symbols:
            self._publish(event, at_ms, self._clock)
        return False

    def _wait(self, raw: str | bytes, at_ms: float, receipt: Receipt) -> None:
        while self._waiting and (len(self._waiting) == MOST_WAITING or self._waiting_bytes > MOST_WAITING_BYTES):
            self._waiting_bytes -= len(self._waiting.popleft()[0])
        self._waiting.append((raw, at_ms, receipt))
        self._waiting_bytes += len(raw)
        self.first_frame.set()
        with suppress(MalformedError):  # counted once it is received
            event = decode(raw, 0)
            if isinstance(event, Trade) and event.symbol in self._symbols:
                self._on_trade_time(event.symbol, event.time_ms, at_ms)

    def _untimed_ms(self, clock: Clock, at_ms: float) -> int:
        # A quote was made about as long ago as a trade that comes now.
        return int(clock.exchange_ms(at_ms - self.transit_ms))

    def _publish(self, event: Event, at_ms: float, clock: Clock) -> None:
        if isinstance(event, Trade):
            if self.ready.is_set():
                self._on_trade_time(event.symbol, event.time_ms, at_ms)
            self._transit.update(at_ms - clock.wall_of_ms(event.time_ms))
        if isinstance(event, BookSnapshot):
            self._recent_books.update(event)
        else:
            self._recent.append((at_ms, event))
        while self._recent and self._recent[0][0] < at_ms - RECENT_MS:
            self._recent.popleft()
        if len(self._recent) > MOST_RECENT:
            self._recent_from_ms = self._recent.popleft()[0]
        self._on_event(event)
