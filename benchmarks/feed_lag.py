"""What the broker's copy of `btc.ticks` says about the collector: latency, lag, and whether it falls behind."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import msgspec

GROWS_MS = 250.0  # between the first and the last third of a step
MAX_LAG_MS = 1000.0
EMULATOR_LATE_MS = 100.0  # an emulator that sends later than this is itself at its limit


class _Trades(msgspec.Struct):
    time_ms: list[int] = []


class _Ticks(msgspec.Struct):
    trades: _Trades = msgspec.field(default_factory=_Trades)
    missing: int = 0


class _Batch(msgspec.Struct):
    second: int
    symbols: dict[str, _Ticks] = {}
    late: bool = False


_decode = msgspec.json.Decoder(_Batch).decode


class LiveSecond(NamedTuple):
    """One partition's second as the broker has it; times in epoch ms."""

    second: int
    newest_ms: int  # exchange time of its newest trade
    appended_ms: float
    missing: int  # ids

    @property
    def latency_ms(self) -> float:
        """End of the second → appended by the broker."""
        return self.appended_ms - 1000.0 * (self.second + 1)

    @property
    def lag_ms(self) -> float:
        """Newest trade → appended: it grows when frames wait, although seconds still close by the clock."""
        return self.appended_ms - self.newest_ms


def live_seconds(messages: Iterable[tuple[bytes, float]], *, warm_up_s: int = 0) -> list[LiveSecond]:
    """Return the seconds of (value, appended ms) that were live and held trades, in the order of their appending.

    The first `warm_up_s` seconds are left out; so are batches without symbols, and those filled after the fact.
    """
    batches = [(_decode(value), appended_ms) for value, appended_ms in messages]
    found = [_live(batch, appended_ms) for batch, appended_ms in batches if not batch.late and _has_trades(batch)]
    first = min((one.second for one in found), default=0) + warm_up_s
    return sorted((one for one in found if one.second >= first), key=lambda one: one.appended_ms)


def _has_trades(batch: _Batch) -> bool:
    return any(ticks.trades.time_ms for ticks in batch.symbols.values())


def _live(batch: _Batch, appended_ms: float) -> LiveSecond:
    newest_ms = max(max(ticks.trades.time_ms, default=0) for ticks in batch.symbols.values())
    return LiveSecond(batch.second, newest_ms, appended_ms, sum(ticks.missing for ticks in batch.symbols.values()))


@dataclass(frozen=True)
class Step:
    """What happened at one rate."""

    sent: float  # messages/s, as the emulator counts them
    emulator_late_ms: float  # p50 at the end: how long after its time it sent a message
    dropped: int  # connections that the emulator ended, since their client did not read
    lags_ms: Sequence[float]
    collector_cores: float
    emulator_cores: float

    @property
    def growth_ms(self) -> float:
        """Median lag of the last third of the step, less that of the first; 0 below three seconds."""
        third = len(self.lags_ms) // 3
        if not third:
            return 0.0
        return statistics.median(self.lags_ms[-third:]) - statistics.median(self.lags_ms[:third])

    @property
    def last_lag_ms(self) -> float:
        """Median lag of the last third; infinite where nothing was written."""
        return statistics.median(self.lags_ms[-max(len(self.lags_ms) // 3, 1) :]) if self.lags_ms else float("inf")

    @property
    def side_at_limit(self) -> Literal["", "collector", "emulator"]:
        """Which side cannot do more; "" where both keep up.

        An emulator that sends late hides what the collector could hold, whatever else happened.
        """
        if self.emulator_late_ms > EMULATOR_LATE_MS:
            return "emulator"
        is_behind = self.dropped or self.growth_ms > GROWS_MS or self.last_lag_ms > MAX_LAG_MS
        return "collector" if is_behind else ""


def growth_mib_per_minute(samples: Sequence[tuple[float, float]]) -> float:
    """Return the slope of (second, MiB) over the last 60 % of the time, MiB a minute; 0 for fewer than two samples.

    >>> growth_mib_per_minute([(0, 50), (30, 100), (60, 101), (90, 102)])
    2.0
    """
    late = [sample for sample in samples if sample[0] >= 0.4 * samples[-1][0]]
    if len(late) < 2:
        return 0.0
    slope, _ = statistics.linear_regression([at_s for at_s, _ in late], [mib for _, mib in late])
    return 60.0 * slope


def highest_held(steps: Sequence[Step]) -> tuple[float, str]:
    """Return the highest rate that was held, messages/s, and what ended the ramp."""
    held = max((step.sent for step in steps if not step.side_at_limit), default=0.0)
    last = steps[-1]
    if not last.side_at_limit:
        return held, f"the highest step, {last.sent:,.0f} messages/s, was held: the limit lies beyond"
    return held, f"the {last.side_at_limit} is at its limit at {last.sent:,.0f} messages/s"
