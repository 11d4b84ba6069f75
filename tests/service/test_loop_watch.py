"""Which loop stands still, and which only waits."""

import math

import pytest

from app.service import limits
from app.service.loop_watch import STUCK, LoopWatch

LIMIT_S = STUCK * limits.STUCK_S


class Watched:
    """A watch whose clock and Kafka are set by hand."""

    def __init__(self) -> None:
        self.now_s, self.kafka_answering_s = 0.0, math.inf
        self.loops = LoopWatch(lambda: self.kafka_answering_s, lambda: self.now_s)


@pytest.fixture
def watched() -> Watched:
    """Return a watch with two loops that moved on just now."""
    made = Watched()
    made.loops.beat("train")
    made.loops.beat("promote")
    return made


def test_a_loop_that_falls_silent_stalls_the_process_within_two_minutes(watched: Watched) -> None:
    """It is named, whatever the others do."""
    watched.now_s = LIMIT_S + 1
    watched.loops.beat("promote")
    assert watched.loops.stall_reason() == f"no progress for {LIMIT_S + 1:.0f} s: train"
    assert LIMIT_S < 120
    watched.loops.beat("train")
    assert watched.loops.stall_reason() == ""


def test_a_loop_that_rests_may_take_its_time(watched: Watched) -> None:
    """An hour until the next training is no stall."""
    watched.loops.rest("train")
    watched.now_s = 3600.0
    watched.loops.beat("promote")
    assert watched.loops.stall_reason() == ""


def test_without_kafka_nothing_stalls_and_after_its_return_the_time_starts_anew(watched: Watched) -> None:
    """A restart would not bring Kafka back."""
    watched.now_s, watched.kafka_answering_s = 3600.0, 0.0
    assert watched.loops.stall_reason() == ""
    watched.kafka_answering_s = LIMIT_S - 1
    assert watched.loops.stall_reason() == ""
    watched.kafka_answering_s = LIMIT_S + 1
    assert watched.loops.stall_reason() == "no progress for 3600 s: train"
