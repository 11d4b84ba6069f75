"""The rule by which every reader accepts a batch: no second twice, no lower generation, and no fence.

A fence is a batch without a second. A new owner of a partition writes it before anything else: what a former owner
still writes after it has a lower generation. Readers keep its generation and nothing else.
"""

from typing import Literal

from app.records import Batch, Gap, TickBatch

NO_SECOND = -1  # of a fence; readers older than fences refuse it: it is not newer, or out of range
Refusal = Literal["", "repeated", "superseded", "fence"]


def fence(partition: int, generation: int, closed_ms: float) -> TickBatch:
    """Return a fence of a generation.

    >>> refusal_reason(fence(0, generation=3, closed_ms=0.0), last_second=7, last_generation=2)
    'fence'
    """
    return TickBatch(partition=partition, second=NO_SECOND, closed_ms=closed_ms, generation=generation, symbols={})


def refusal_reason(batch: Batch, *, last_second: int | None = None, last_generation: int = 0) -> Refusal:
    """Return why a reader refuses a batch, or "". After "fence" the batch's generation is the reader's last one.

    A second that is not newer than `last_second` is a repeat (None: seconds are not compared). A generation lower than
    `last_generation` was superseded: another collector has taken its partition over.

    >>> refusal_reason(Batch(partition=0, second=7, closed_ms=0.0), last_second=7)
    'repeated'
    >>> refusal_reason(Batch(partition=0, second=8, closed_ms=0.0, generation=1), last_second=7, last_generation=2)
    'superseded'
    >>> refusal_reason(Batch(partition=0, second=8, closed_ms=0.0, generation=2), last_second=7, last_generation=2)
    ''
    """
    if batch.second == NO_SECOND:
        return "superseded" if is_superseded(batch, last_generation) else "fence"
    if last_second is not None and batch.second <= last_second:
        return "repeated"
    return "superseded" if is_superseded(batch, last_generation) else ""


def is_superseded(record: Batch | Gap, last_generation: int) -> bool:
    """Return whether a record was written by a collector that another one has replaced since."""
    return record.generation < last_generation
