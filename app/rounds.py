"""What every agent asks and notes in each round. What enters: an event; what leaves: whether to work on it, figures.

A second not newer than the table's last is a true repeat: its result was acknowledged before the table was written.
"""

from dataclasses import dataclass, field

from faust.types import EventT

from app import metrics
from app.clock import wall_ms
from app.records import Batch
from app.settings import settings

AHEAD_S = 60


@dataclass
class Progress:
    """How far each stage came, for health, heartbeats and the drain."""

    second: dict[str, float] = field(default_factory=dict)  # stage → newest second, exchange time
    at_ms: dict[str, float] = field(default_factory=dict)  # stage → wall time of its newest batch
    generation: dict[tuple[str, int], int] = field(default_factory=dict)


PROGRESS = Progress()


def fresh(stage: str, event: EventT, last: int | None) -> bool:
    """Say whether a batch is to be worked on; count it where it is a repeat or a zombie's.

    Raises:
        ValueError: the batch cannot be what it says: another partition, a second that has not come yet.

    """
    batch: Batch = event.value
    partition = event.message.partition
    if batch.partition != partition:
        raise ValueError(f"says partition {batch.partition}, came through {partition}")
    if settings().speed == 1.0 and batch.second > wall_ms() / 1000.0 + AHEAD_S:
        raise ValueError(f"second {batch.second} lies more than {AHEAD_S} s in the future")
    if last is not None and batch.second <= last:
        metrics.REPEATED.labels(stage).inc()
        return False
    if batch.generation < PROGRESS.generation.get((stage, partition), 0):
        metrics.ZOMBIE.labels(stage).inc()
        return False
    PROGRESS.generation[stage, partition] = batch.generation
    return True


def done(stage: str, batch: Batch) -> None:
    """Note a batch as finished: acknowledged and stored."""
    now_ms = wall_ms()
    PROGRESS.second[stage] = max(batch.second, PROGRESS.second.get(stage, 0))
    PROGRESS.at_ms[stage] = now_ms
    metrics.BATCHES.labels(stage).inc()
    metrics.STAGE_LATENCY.labels(stage).observe(max(0.0, (now_ms - batch.closed_ms) / 1000.0))
