"""The rule by which every reader accepts a batch: no second twice, no lower generation."""

from typing import Literal

from app.records import Batch, Gap

Refusal = Literal["", "repeated", "superseded"]


def refusal_reason(batch: Batch, *, last_second: int | None = None, last_generation: int = 0) -> Refusal:
    """Return why a reader refuses a batch, or "".

    A second that is not newer than `last_second` is a repeat (None: seconds are not compared). A generation lower than
    `last_generation` was superseded: another collector has taken its partition over.

    >>> refusal_reason(Batch(partition=0, second=7, closed_ms=0.0), last_second=7)
    'repeated'
    >>> refusal_reason(Batch(partition=0, second=8, closed_ms=0.0, generation=1), last_second=7, last_generation=2)
    'superseded'
    >>> refusal_reason(Batch(partition=0, second=8, closed_ms=0.0, generation=2), last_second=7, last_generation=2)
    ''
    """
    if last_second is not None and batch.second <= last_second:
        return "repeated"
    return "superseded" if is_superseded(batch, last_generation) else ""


def is_superseded(record: Batch | Gap, last_generation: int) -> bool:
    """Return whether a record was written by a collector that another one has replaced since."""
    return record.generation < last_generation
