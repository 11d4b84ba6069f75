"""Which batches an agent processes, and how far each agent has come.

A second that is not newer than the table's last is a true repeat: its result was acknowledged before the table was
written.
"""

from dataclasses import dataclass, field

from faust.types import EventT

from app import metrics
from app.clock import wall_ms
from app.domain.acceptance import refusal_reason
from app.records import Batch
from app.settings import settings

AHEAD_S = 60.0  # clocks of machines differ
LATEST_MS = 253_402_300_799_000.0  # the end of the year 9999
KEPT_S = 7 * 24 * 3600.0  # how long topics are kept, and so the oldest message that may be read


class ImplausibleError(ValueError):
    """A batch that cannot be what it says; it is refused before it changes anything."""


@dataclass
class Progress:
    """How far each agent has come, for health and heartbeats."""

    second: dict[str, float] = field(default_factory=dict)  # stage → newest second, exchange time
    at_ms: dict[str, float] = field(default_factory=dict)  # stage → wall time of its newest batch
    newest: dict[tuple[str, int], Batch] = field(default_factory=dict)  # stage, partition → its newest batch
    appended_ms: dict[tuple[str, int], float] = field(default_factory=dict)  # when the broker had the newest admitted


PROGRESS = Progress()


def admit(stage: str, event: EventT, last: int | None, fenced: int = 0) -> bool:
    """Return whether a batch is to be processed; repeats and superseded batches are counted.

    `last`: the newest second processed; `fenced`: the generation of the newest fence.

    Raises:
        ImplausibleError: the batch cannot be what it says: another partition, a second that has not come yet.

    """
    batch: Batch = event.value
    partition = event.message.partition
    before = PROGRESS.newest.get((stage, partition))
    if batch.partition != partition:
        raise ImplausibleError(f"partition field {batch.partition}, received on partition {partition}")
    # The broker's time: the clocks of the collector's and the worker's machine may have been set.
    appended_ms = event.message.timestamp * 1000.0
    passed_ms = appended_ms - PROGRESS.appended_ms.get((stage, partition), appended_ms)
    if reason := implausible_reason(batch, before, appended_ms, passed_ms, settings().speed):
        raise ImplausibleError(reason)
    PROGRESS.appended_ms[stage, partition] = appended_ms
    generation = max(before.generation if before else 0, fenced)
    refusal = refusal_reason(batch, last_second=last, last_generation=generation)
    if refusal and refusal != "fence":
        (metrics.REPEATED if refusal == "repeated" else metrics.SUPERSEDED).labels(stage).inc()
    return not refusal


def implausible_reason(batch: Batch, before: Batch | None, now_ms: float, passed_ms: float, speed: float) -> str:
    """Return why a batch cannot have been closed by `now_ms`, `passed_ms` after the one before, or "".

    One second accepted from the far future would make every true one after it a repeat. Live, exchange time is wall
    time. At another speed it may be ahead by what a run could gain while the topics are kept, and follows the batch
    before it no faster than the speed allows.

    >>> now_ms = 1.75e12
    >>> implausible_reason(Batch(partition=2, second=9_000_000_000, closed_ms=now_ms), None, now_ms, 0.0, speed=1.0)
    'second 9000000000 has not come yet'
    >>> implausible_reason(Batch(partition=2, second=1_680_652_800, closed_ms=now_ms), None, now_ms, 0.0, speed=10.0)
    ''
    """
    if not 0.0 <= batch.closed_ms <= LATEST_MS:
        return f"closed at {batch.closed_ms:.0f} ms, which is not between 1970 and 9999"
    if batch.second > now_ms / 1000.0 + AHEAD_S + max(0.0, speed - 1.0) * KEPT_S:
        return f"second {batch.second} has not come yet"
    if before and speed != 1.0:
        passed_s = max(0.0, passed_ms) / 1000.0
        if batch.second - before.second > max(1.0, speed) * (passed_s + AHEAD_S):
            return f"second {batch.second} cannot come {passed_s:.0f} s after {before.second} at speed {speed:g}"
    return ""


def mark_done(stage: str, batch: Batch, symbols: int | None = None) -> None:
    """Record a batch as processed: its result is acknowledged and stored."""
    if symbols is not None:
        metrics.SYMBOLS.labels(str(batch.partition)).set(symbols)
    now_ms = wall_ms()
    PROGRESS.newest[stage, batch.partition] = Batch(
        partition=batch.partition, second=batch.second, closed_ms=batch.closed_ms, generation=batch.generation
    )
    PROGRESS.second[stage] = max(batch.second, PROGRESS.second.get(stage, 0))
    PROGRESS.at_ms[stage] = now_ms
    metrics.BATCHES.labels(stage).inc()
    metrics.STAGE_LATENCY.labels(stage).observe(max(0.0, (now_ms - batch.closed_ms) / 1000.0))
