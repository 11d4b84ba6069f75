"""The newest fence of a partition."""

from types import SimpleNamespace
from typing import Any

from app.domain.acceptance import fence
from app.records import Batch
from app.streaming.fences import Fences


def _event(batch: Batch, offset: int) -> Any:
    return SimpleNamespace(value=batch, message=SimpleNamespace(partition=2, offset=offset))


def _second(offset: int) -> Any:
    return _event(Batch(partition=2, second=100, closed_ms=0.0, generation=9), offset)


def test_a_fence_counts_for_what_comes_after_it_and_that_of_a_former_owner_does_not() -> None:
    """A second is no fence, whatever its generation."""
    fences = Fences()
    assert fences.update(_event(fence(2, 4, 0.0), 40))
    assert not fences.update(_event(fence(2, 3, 0.0), 41))
    assert not fences.update(_second(42))
    assert (fences.generation(_second(43)), fences.generation(_second(40))) == (4, 0)


def test_a_topic_that_was_created_again_has_no_fence_yet() -> None:
    """Its offsets start again, and so may the generations."""
    fences = Fences()
    fences.restore(2, b'{"generation":40,"offset":9000}')
    assert fences.update(_event(fence(2, 1, 0.0), 0))
    assert fences.generation(_second(1)) == 1
    fences.restore(2, None)
    assert fences.generation(_second(1)) == 0
