"""Metrics of the collector, and its progress for the heartbeat."""

from collections import deque
from collections.abc import Iterable

from prometheus_client import Counter

from app.clock import Clock, steady_ms
from app.collector.gap_ledger import GapLedger
from app.domain.tick_batcher import TickBatcher
from app.logs import logger
from app.metrics import (
    GAPS_OPEN,
    GAPS_OPEN_IDS,
    TICKS_AHEAD,
    TICKS_BACKFILLED,
    TICKS_BATCHES,
    TICKS_CLOSE_DELAY,
    TICKS_LATE,
    TICKS_LOST,
    TICKS_MALFORMED,
    TICKS_MISSING,
    TICKS_QUOTES,
    TICKS_REFILLED,
    TICKS_SECOND,
    TICKS_TRADES,
)
from app.records import TickBatch

COUNTED = (
    "batches", "late_batches", "trades", "quotes", "late", "skipped", "missing", "refilled", "backfilled",
    "lost", "open_ids", "repeated", "malformed", "ahead",
)  # fmt: skip
BY_SYMBOL = (TICKS_TRADES, TICKS_QUOTES, TICKS_LATE, TICKS_AHEAD, TICKS_MISSING, TICKS_REFILLED, TICKS_BACKFILLED,
             TICKS_LOST)  # fmt: skip
log = logger("collector")


class CollectorMetrics:
    """Sums since the start of the process.

    `progress`: second (newest written), lag_s (wall time since the newest written second of the slowest partition),
    silent_s (wall time since the newest frame), ahead_s (wall time by which an open second lies in the future),
    batches, late_batches, trades, quotes, late, skipped and refilled (trades), missing (ids left out of `btc.ticks`: in
    `btc.backfill` or in open gaps), backfilled (trades), open_ids (in open gaps), lost (ids that the exchange does not
    have), completeness (1 − absent ÷ passed ids), repeated, close_delay_ms (the newest batch's, from the end of its
    second to the acknowledgement), partitions, connections, malformed, ahead (trades from the future of the exchange's
    clock).
    """

    def __init__(self) -> None:
        self.progress: dict[str, float] = dict.fromkeys(COUNTED, 0.0)
        self.written: dict[int, int] = {}  # partition → newest second that the brokers acknowledged
        self.delays_ms: deque[float] = deque(maxlen=3600)  # of batches closed in time
        self._passed = 0
        self._open: dict[int, int] = {}  # partition → ids skipped and not yet received

    def start(self, symbols: Iterable[str]) -> None:
        """Begin every count of these symbols at 0: Prometheus sees no increase in a series that begins with one."""
        for symbol in symbols:
            for counter in BY_SYMBOL:
                counter.labels(symbol)

    def count_malformed(self, reason: str, raw: object) -> None:
        """Count a frame or event that cannot be used; the first ten are logged, then every thousandth."""
        TICKS_MALFORMED.inc()
        self.progress["malformed"] += 1
        count = int(self.progress["malformed"])
        if count <= 10 or count % 1000 == 0:
            log.warning("a frame is skipped", reason=reason, frame=str(raw)[:200], so_far=count)

    def count_repeated(self) -> None:
        """Count an event that was received before, as where two connections overlap."""
        self.progress["repeated"] += 1

    def count_ahead(self, symbol: str) -> None:
        """Count a trade whose time is in the future of the exchange's clock."""
        TICKS_AHEAD.labels(symbol).inc()
        self.progress["ahead"] += 1

    def count_refilled(self, trades: int) -> None:
        """Count trades fetched over REST into gaps."""
        self.progress["refilled"] += trades

    def count_backfilled(self, symbol: str, trades: int, lost: int) -> None:
        """Count what became of ids that were left to the backfill."""
        self._add("backfilled", TICKS_BACKFILLED.labels(symbol), trades)
        self.count_lost(symbol, lost)

    def count_lost(self, symbol: str, ids: int) -> None:
        """Count ids that the exchange does not have."""
        self._add("lost", TICKS_LOST.labels(symbol), ids)

    def show_gaps(self, ledger: GapLedger, symbols: Iterable[str]) -> None:
        """Show what is open of these symbols."""
        self.progress["open_ids"] = 0.0
        for symbol in symbols:
            count = ledger.open_count(symbol)
            self.progress["open_ids"] += count
            GAPS_OPEN.labels(symbol).set(ledger.gap_count(symbol))
            GAPS_OPEN_IDS.labels(symbol).set(count)

    def count_closed(self, batcher: TickBatcher) -> None:
        """Count the ids that passed since the last call: those in order, those skipped."""
        for symbol, market in batcher.buffers.items():
            ids = market.ids
            self._passed += ids.span
            if ids.skipped:
                TICKS_MISSING.labels(symbol).inc(ids.skipped)
                self.progress["skipped"] += ids.skipped
            ids.span = ids.skipped = 0
        self._open[batcher.partition] = sum(ids.open_count for _, ids in batcher.gaps())

    def count_written(self, batch: TickBatch, clock: Clock) -> None:
        """Count a batch that the brokers acknowledged."""
        for symbol, ticks in batch.symbols.items():
            self._add("trades", TICKS_TRADES.labels(symbol), len(ticks.trades.id))
            self._add("quotes", TICKS_QUOTES.labels(symbol), len(ticks.quotes.time_ms))
            self._add("late", TICKS_LATE.labels(symbol), ticks.late)
            self.progress["missing"] += ticks.missing
        partition = str(batch.partition)
        TICKS_BATCHES.labels(partition).inc()
        TICKS_SECOND.labels(partition).set(batch.second)
        self.written[batch.partition] = batch.second
        self.progress["batches"] += 1
        self.progress["late_batches"] += batch.late
        self.progress["second"] = max(self.progress.get("second", 0), batch.second)
        absent = max(self.progress["missing"] - self.progress["backfilled"], 0.0) + sum(self._open.values())
        self.progress["completeness"] = 1.0 - absent / max(self._passed, absent, 1)
        if not batch.late:
            self._observe_delay(steady_ms() - clock.wall_of_ms((batch.second + 1) * 1000))

    def _observe_delay(self, delay_ms: float) -> None:
        TICKS_CLOSE_DELAY.observe(max(delay_ms, 0.0) / 1000)
        self.progress["close_delay_ms"] = delay_ms
        self.delays_ms.append(delay_ms)

    def _add(self, name: str, counter: Counter, amount: int) -> None:
        if amount:
            counter.inc(amount)
            self.progress[name] += amount
