"""What the collector counts of itself. What enters: batches written; what leaves: metrics, and figures for people."""

from collections import deque

from prometheus_client import Counter

from app.clock import Clock, wall_ms
from app.domain.tick_batcher import TickBatcher
from app.metrics import (
    TICKS_BATCHES,
    TICKS_CLOSE_DELAY,
    TICKS_LATE,
    TICKS_MISSING,
    TICKS_QUOTES,
    TICKS_SECOND,
    TICKS_TRADES,
)
from app.records import TickBatch


class CollectorMetrics:
    """Sums since the start of the process.

    `progress`: second (newest written), lag_s (wall time since its end), batches, late_batches, trades, quotes,
    late, skipped and refilled (trades), missing (ids given up), completeness (1 − absent ÷ passed ids), repeated,
    close_delay_ms (the newest batch's, from the end of its second to the acknowledgement), partitions, connections,
    malformed.
    """

    def __init__(self) -> None:
        self.progress: dict[str, float] = dict.fromkeys(
            ("batches", "late_batches", "trades", "quotes", "late", "skipped", "missing", "refilled", "repeated"), 0.0
        )
        self.delays_ms: deque[float] = deque(maxlen=3600)  # of batches closed in time
        self._passed = 0
        self._open: dict[int, int] = {}  # partition → ids skipped and still waited for

    def closed(self, cutter: TickBatcher) -> None:
        """Count the ids that passed since the last call: those in order, those skipped."""
        for symbol, market in cutter.buffers.items():
            ids = market.ids
            self._passed += ids.span
            if ids.skipped:
                TICKS_MISSING.labels(symbol).inc(ids.skipped)
                self.progress["skipped"] += ids.skipped
            ids.span = ids.skipped = 0
        self._open[cutter.partition] = sum(ids.open_count for _, ids in cutter.gaps())

    def written(self, batch: TickBatch, clock: Clock) -> None:
        """Count a batch the brokers acknowledged."""
        for symbol, ticks in batch.symbols.items():
            self._add("trades", TICKS_TRADES.labels(symbol), len(ticks.trades.id))
            self._add("quotes", TICKS_QUOTES.labels(symbol), len(ticks.quotes.time_ms))
            self._add("late", TICKS_LATE.labels(symbol), ticks.late)
            self.progress["missing"] += ticks.missing
        partition = str(batch.partition)
        TICKS_BATCHES.labels(partition).inc()
        TICKS_SECOND.labels(partition).set(batch.second)
        self.progress["batches"] += 1
        self.progress["late_batches"] += batch.late
        self.progress["second"] = max(self.progress.get("second", 0), batch.second)
        absent = self.progress["missing"] + sum(self._open.values())
        self.progress["completeness"] = 1.0 - absent / max(self._passed, absent, 1)
        if not batch.late:
            self._in_time(wall_ms() - clock.wall_of_ms((batch.second + 1) * 1000))

    def _in_time(self, delay_ms: float) -> None:
        TICKS_CLOSE_DELAY.observe(max(delay_ms, 0.0) / 1000)
        self.progress["close_delay_ms"] = delay_ms
        self.delays_ms.append(delay_ms)

    def _add(self, name: str, counter: Counter, amount: int) -> None:
        if amount:
            counter.inc(amount)
            self.progress[name] += amount
