"""Acceptance: no second twice, no lower generation."""

import pytest

from app.domain.acceptance import fence, refusal_reason
from app.records import Batch


@pytest.mark.parametrize(
    ("second", "generation", "reason"),
    [(8, 2, ""), (8, 3, ""), (7, 2, "repeated"), (6, 3, "repeated"), (8, 1, "superseded"), (7, 1, "repeated")],
)
def test_a_batch_must_be_newer_and_of_no_lower_generation(second: int, generation: int, reason: str) -> None:
    """After second 7 of generation 2."""
    batch = Batch(partition=0, second=second, closed_ms=0.0, generation=generation)
    assert refusal_reason(batch, last_second=7, last_generation=2) == reason


def test_the_first_batch_of_a_reader_is_accepted() -> None:
    """Without a second to compare with, only a generation can refuse it."""
    batch = Batch(partition=0, second=0, closed_ms=0.0, generation=1)
    assert refusal_reason(batch) == ""
    assert refusal_reason(batch, last_generation=2) == "superseded"


@pytest.mark.parametrize(("generation", "reason"), [(1, "superseded"), (2, "fence"), (3, "fence")])
@pytest.mark.parametrize("last_second", [None, 7])
def test_a_fence_is_never_a_second_and_that_of_a_former_owner_says_nothing(
    generation: int, reason: str, last_second: int | None
) -> None:
    """After second 7 of generation 2, and in an empty partition."""
    assert refusal_reason(fence(0, generation, 0.0), last_second=last_second, last_generation=2) == reason
