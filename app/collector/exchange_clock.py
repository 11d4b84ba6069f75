"""The exchange's clock, estimated from its REST time and the times of trades, each checked against the other."""

from typing import Literal, NamedTuple

from app.clock import Clock
from app.collector.trade_times import AHEAD_MS, TRANSIT_MS, TradeLead, TradeTimes

SLEW, SLEW_OVER_MS = 0.01, 1000.0  # an error is removed within a second, at 10 ms/s at most
STEP_MS, PERSIST_MS = 1000.0, 2000.0  # wall time: errors beyond it are stepped over once they have lasted so long
HOLD = -0.9  # slew while the clock is so far ahead: it is never set back
READING_MS = 600_000.0  # wall time: a REST reading counts so long; the machine's clock drifts 30 ms meanwhile
REST_WAIT_MS, WAIT_MS = 250.0, 1000.0  # wall time: at the start, so long for REST beside trades; for any second witness
WITNESS_MS = 10_000.0  # the machine's clock at the start decides between REST and trades if it is so near to REST

PRECISE_MS = 250.0  # wall time: with a larger error REST only sets bounds

Doubt = Literal["", "rest", "trades"]


class _Reading(NamedTuple):
    lead: float
    error: float  # milliseconds of exchange time
    at_ms: float


class ExchangeClock:
    """The estimator: `update_trade`, `update_reading`, and `get` a few times a second. All times are milliseconds.

    Everything is a lead, exchange time less rate × wall time (`app.clock.steady_ms`), which is constant for a right
    clock. Trades bound it by [L, L + 1 s], see `TradeTimes`; REST reads R ± half a round trip; the clock shows C.

    - R within [L − 50 ms, L + 1 s]: both agree, and the target is R, or C within R's error if that is above 250 ms; it
      is kept within [L, L + 1 s].
    - They contradict each other: the one that agrees with C is believed, the other is `doubt`; with neither, C stays.
      As long as no trades have confirmed C, three trades that agree are believed.
    - No reading for ten minutes: C, kept within [L, L + 1 s]. Trades that are older than that move it only as long as
      no trades have confirmed it.
    - No trade for a minute: R, if it is within 1 s of C.

    The clock approaches its target by running at most 1 % faster or slower. It is stepped, only forwards, over more
    than a second that has lasted for two; further back than that it runs at a tenth of its speed. It never goes back,
    and while the trades' bound holds it is never more than 50 ms ahead of the right time plus REST's error.

    >>> clock = ExchangeClock()
    >>> for at_ms in (0.0, 100.0, 300.0):
    ...     clock.update_trade("BTCUSDT", int(5000 + at_ms) - 20, at_ms)
    ...     shown = clock.get(at_ms)
    >>> shown and shown.exchange_ms(400.0)
    5380.0
    """

    def __init__(self, rate: float = 1.0) -> None:
        self.doubt: Doubt = ""  # who is contradicted now
        self.doubt_ms = 0.0  # and how far REST is ahead of the trades, exchange time
        self._rate = rate
        self._trades = TradeTimes(rate)
        self._reading: _Reading | None = None
        self._clock: Clock | None = None
        self._is_confirmed = False  # by trades
        self._started_ms: float | None = None
        self._far_since_ms: float | None = None

    def update_trade(self, symbol: str, time_ms: int, at_ms: float) -> None:
        """Add a trade of this exchange time that was received at this wall time."""
        self._trades.update(symbol, time_ms, at_ms)

    def update_reading(self, clock: Clock, error_ms: float) -> None:
        """Add a reading over REST, with half its round trip."""
        at_ms = clock.wall_anchor_ms
        self._reading = _Reading(clock.exchange_anchor_ms - self._rate * at_ms, error_ms * self._rate, at_ms)

    def get(self, at_ms: float) -> Clock | None:
        """Return the clock, None as long as it is unknown; wall times must rise from call to call."""
        trades, reading = self._trades.get(at_ms), self._recent_reading(at_ms)
        self._compare(trades, reading)
        if self._clock is None:
            self._start(trades, reading, at_ms)
        else:
            shown = self._clock.exchange_ms(at_ms) - self._rate * at_ms
            self._is_confirmed |= trades is not None and trades.is_solid and self._fits(shown, trades)
            self._follow(self._target(trades, reading, shown), shown, at_ms)
        return self._clock

    def _recent_reading(self, at_ms: float) -> _Reading | None:
        return self._reading if self._reading and at_ms - self._reading.at_ms <= READING_MS else None

    def _compare(self, trades: TradeLead | None, reading: _Reading | None) -> None:
        self.doubt, self.doubt_ms = "", 0.0
        if trades and reading and not self._fits(reading.lead, trades, reading.error):
            self.doubt, self.doubt_ms = "rest", reading.lead - trades.ms

    # ── the first anchor ──────────────────────────────────────────────────────────────────────────────────────

    def _start(self, trades: TradeLead | None, reading: _Reading | None, at_ms: float) -> None:
        self._started_ms = at_ms if self._started_ms is None else self._started_ms
        lead = self._first_lead(trades, reading, at_ms - self._started_ms)
        if lead is not None:
            self._clock = Clock(lead + self._rate * at_ms, at_ms, self._rate)

    def _first_lead(self, trades: TradeLead | None, reading: _Reading | None, waited_ms: float) -> float | None:
        if trades and reading:
            if not self.doubt:
                return self._agreed(trades, reading, trades.ms)
            return self._decided(trades, reading, waited_ms)
        if trades and waited_ms >= (REST_WAIT_MS if trades.is_solid else WAIT_MS):
            return trades.ms
        return reading.lead if reading and waited_ms >= WAIT_MS else None

    def _decided(self, trades: TradeLead, reading: _Reading, waited_ms: float) -> float | None:
        if not trades.is_solid and waited_ms < WAIT_MS:
            return None
        # `steady_ms` began as the machine's clock: the one third witness there is.
        is_near = self._rate == 1.0 and abs(reading.lead) <= WITNESS_MS
        self._is_confirmed, self.doubt = is_near or trades.is_solid, "trades" if is_near else "rest"
        return reading.lead if is_near else trades.ms

    # ── the clock runs ────────────────────────────────────────────────────────────────────────────────────────

    def _target(self, trades: TradeLead | None, reading: _Reading | None, shown: float) -> float:
        if trades and reading:
            return self._judged(trades, reading, shown) if self.doubt else self._agreed(trades, reading, shown)
        if trades and trades.is_solid:
            is_old = shown > trades.ms + TRANSIT_MS * self._rate
            return shown if is_old and self._is_confirmed else self._within(shown, trades)
        if reading and (not self._is_confirmed or self._is_near(reading, shown)):
            return reading.lead
        return shown

    def _agreed(self, trades: TradeLead, reading: _Reading, shown: float) -> float:
        if reading.error <= PRECISE_MS * self._rate:
            return self._within(reading.lead, trades)
        return self._within(min(max(shown, reading.lead - reading.error), reading.lead + reading.error), trades)

    def _judged(self, trades: TradeLead, reading: _Reading, shown: float) -> float:
        if self._fits(shown, trades):
            return self._within(shown, trades)
        if self._is_confirmed and self._is_near(reading, shown):
            self.doubt = "trades"
            return reading.lead
        return trades.ms if trades.is_solid and not self._is_confirmed else shown

    def _follow(self, target: float, shown: float, at_ms: float) -> None:
        error, slew = target - shown, 0.0
        if abs(error) <= STEP_MS * self._rate:
            self._far_since_ms = None
            slew = min(max(error / (self._rate * SLEW_OVER_MS), -SLEW), SLEW)
        elif self._has_persisted(at_ms):
            shown, slew = (target, 0.0) if error > 0 else (shown, HOLD)
        self._clock = Clock(shown + self._rate * at_ms, at_ms, self._rate, slew)

    def _has_persisted(self, at_ms: float) -> bool:
        self._far_since_ms = at_ms if self._far_since_ms is None else self._far_since_ms
        return at_ms - self._far_since_ms >= PERSIST_MS

    # ── bounds ────────────────────────────────────────────────────────────────────────────────────────────────

    def _fits(self, lead: float, trades: TradeLead, error: float = 0.0) -> bool:
        return -AHEAD_MS * self._rate - error <= lead - trades.ms <= TRANSIT_MS * self._rate + error

    def _within(self, lead: float, trades: TradeLead) -> float:
        return min(max(lead, trades.ms), trades.ms + TRANSIT_MS * self._rate)

    def _is_near(self, reading: _Reading, shown: float) -> bool:
        return abs(reading.lead - shown) <= STEP_MS * self._rate + reading.error
