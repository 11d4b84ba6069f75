"""The exchange's side of the collector. What enters: raw frames; what leaves: events in exchange time, the clock,
and the events of the last 30 s, from which a partition that is taken over is filled.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator

from app.clock import Clock, wall_ms
from app.collector import binance
from app.collector.market_streams import advice, backoff_s
from app.collector.rest_client import REST_ERRORS, RestClient
from app.domain.ticks import Event, Trade
from app.domain.trade_delay import TradeDelay
from app.logs import logger
from app.metrics import TICKS_MALFORMED
from app.settings import Settings

KEPT_MS = 30_000.0  # wall time: three sessions of the collectors' group
MOST_WAITING = 200_000  # frames that may wait for the exchange's clock
SYNC_EVERY_S = 60.0
log = logger("collector")


class Intake:
    """What this replica hears, of all symbols."""

    def __init__(self, settings: Settings, refill: RestClient, hear: Callable[[Event], None]) -> None:
        self.ready = asyncio.Event()  # there is a clock
        self.malformed = 0
        self.started_ms = 0.0  # exchange time of the first frame
        self._settings, self._refill, self._hear = settings, refill, hear
        self._clock: Clock | None = None
        self._symbols = frozenset(settings.symbols)
        self._recent: deque[tuple[float, Event]] = deque()
        self._transit = TradeDelay()
        self._waiting: deque[tuple[str | bytes, float]] = deque(maxlen=MOST_WAITING)
        self._heard = asyncio.Event()

    @property
    def clock(self) -> Clock:
        """The exchange's clock; there is one once `ready` is set."""
        assert self._clock is not None
        return self._clock

    @property
    def transit_ms(self) -> float:
        """Wall time that trades are usually under way."""
        return self._transit.median_ms

    def receive(self, raw: str | bytes, at_wall_ms: float) -> bool:
        """Take a frame; True if it says that its connection will be closed."""
        if self._clock is None:
            self._waiting.append((raw, at_wall_ms))
            self._heard.set()
            return False
        try:
            said = binance.decode(raw, int(self._clock.exchange_ms(at_wall_ms)))
        except binance.MalformedError as error:
            self.reject(str(error), raw)
            return False
        if isinstance(said, binance.ShutdownNotice):
            return True
        if said is not None and said.symbol in self._symbols:
            if isinstance(said, Trade):
                self._transit.update(at_wall_ms - self._clock.wall_of_ms(said.time_ms))
            self._keep(said, at_wall_ms)
            self._hear(said)
        return False

    def reject(self, reason: str, raw: object) -> None:
        """Count what cannot be used; the first ones are shown."""
        self.malformed += 1
        TICKS_MALFORMED.inc()
        if self.malformed <= 10 or self.malformed % 1000 == 0:
            log.warning("a frame is skipped", reason=reason, frame=str(raw)[:200], so_far=self.malformed)

    def recent(self, symbols: frozenset[str]) -> Iterator[Event]:
        """Yield what was heard of these symbols in the last 30 s, in order of receipt."""
        return (event for _, event in self._recent if event.symbol in symbols)

    @property
    def recent_since_ms(self) -> float:
        """Exchange time from which on `recent` is complete, but for holes in the ids."""
        return max(self.started_ms, self.clock.exchange_ms(wall_ms() - KEPT_MS))

    async def keep_clock(self) -> None:
        """Read the exchange's clock when its first frame is there, then once a minute, until cancelled."""
        # An emulator's replay stands still until somebody listens: its clock says nothing before the first frame.
        await self._heard.wait()
        failures = 0
        while True:
            try:
                self._set(await self._refill.clock(self._settings.speed))
                failures = 0
            except REST_ERRORS as error:
                failures += 1
                log.warning(advice(self._settings.exchange_rest_url, error))
            await asyncio.sleep(backoff_s(failures) if failures else SYNC_EVERY_S)

    def _set(self, clock: Clock) -> None:
        self._clock = clock
        if self.ready.is_set():
            return
        self.started_ms = clock.exchange_ms(self._waiting[0][1])
        while self._waiting:
            self.receive(*self._waiting.popleft())
        self.ready.set()

    def _keep(self, event: Event, at_wall_ms: float) -> None:
        self._recent.append((at_wall_ms, event))
        while self._recent[0][0] < at_wall_ms - KEPT_MS:
            self._recent.popleft()
