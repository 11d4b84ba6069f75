"""What is asked and noted in each round."""

from types import SimpleNamespace
from typing import Any

import pytest

from app.clock import wall_ms
from app.domain.acceptance import fence
from app.records import Batch
from app.streaming import admission
from app.streaming.admission import ImplausibleError, admit, implausible_reason, mark_done

NOW_MS = 1.75e12
SECOND = 1_680_652_800  # a recording of 2023


def _batch(second: int = SECOND, closed_ms: float = NOW_MS, generation: int = 1) -> Batch:
    return Batch(partition=2, second=second, closed_ms=closed_ms, generation=generation)


def _event(batch: Batch, partition: int = 2, timestamp: float | None = None) -> Any:
    appended_s = wall_ms() / 1000 if timestamp is None else timestamp
    return SimpleNamespace(value=batch, message=SimpleNamespace(partition=partition, timestamp=appended_s))


@pytest.fixture(autouse=True)
def _progress(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "PROGRESS", admission.Progress())


def test_a_newer_second_is_fresh_and_a_repeat_is_not() -> None:
    """Only what is newer than the table's last is worked on."""
    assert admit("features", _event(_batch()), None)
    assert admit("features", _event(_batch()), SECOND - 1)
    assert not admit("features", _event(_batch()), SECOND)


def test_a_returning_zombie_is_refused() -> None:
    """After a batch of generation 4, one of generation 3 is not worked on."""
    mark_done("features", _batch(generation=4))
    assert not admit("features", _event(_batch(SECOND + 1, generation=3)), SECOND)
    assert admit("features", _event(_batch(SECOND + 1, generation=4)), SECOND)


def test_a_batch_that_was_never_finished_sets_no_generation() -> None:
    """A batch that is set aside later cannot make the true ones superseded."""
    assert admit("features", _event(_batch(generation=10**9)), None)
    assert admit("features", _event(_batch(generation=4)), None)


def test_a_batch_of_another_partition_is_refused() -> None:
    """Its partition field must be the partition it was received on."""
    with pytest.raises(ImplausibleError, match="partition field 2, received on partition 3"):
        admit("features", _event(_batch(), partition=3), None)


def test_live_a_second_that_has_not_come_yet_is_refused() -> None:
    """Exchange time is wall time, give or take a minute."""
    now_s = int(wall_ms() / 1000)
    assert admit("features", _event(_batch(now_s + 30)), None)
    with pytest.raises(ImplausibleError, match="has not come yet"):
        admit("features", _event(_batch(now_s + 90)), None)


@pytest.mark.parametrize("closed_ms", [-1.0, 1e15, float("inf"), float("nan")])
def test_an_impossible_close_is_refused(closed_ms: float) -> None:
    """A batch is closed after 1970; whether before now, the machine's clock cannot say."""
    assert "not between" in implausible_reason(_batch(closed_ms=closed_ms), None, NOW_MS, 0.0, 1.0)


@pytest.mark.parametrize("step_s", [-3600.0, 3600.0])
def test_clocks_of_machines_that_were_set_refuse_nothing(step_s: float) -> None:
    """The collector's (`closed_ms`) or the worker's: the broker's time decides."""
    now_s = SECOND + 7.0
    closed_ms = 1000.0 * (now_s + step_s)
    assert admit("features", _event(_batch(SECOND + 5, closed_ms=closed_ms), timestamp=now_s), SECOND)
    with pytest.raises(ImplausibleError, match="has not come yet"):
        admit("features", _event(_batch(SECOND + 90, closed_ms=closed_ms), timestamp=now_s), SECOND)


def test_at_speed_a_second_moves_on_from_the_one_before_no_faster_than_the_speed() -> None:
    """Ten seconds of wall time at speed 10 may be 100 s of exchange time, and a minute of tolerance ten times that."""
    before = _batch()
    assert not implausible_reason(_batch(SECOND + 100), before, NOW_MS, 10_000.0, 10.0)
    assert not implausible_reason(_batch(SECOND + 700), before, NOW_MS, 10_000.0, 10.0)
    assert "cannot come" in implausible_reason(_batch(SECOND + 701), before, NOW_MS, 10_000.0, 10.0)


def test_at_speed_the_first_second_is_bounded_too() -> None:
    """A synthetic run may be ahead of the wall clock by what it gained in a week, and no more."""
    ahead_s = int(NOW_MS / 1000 + 9 * admission.KEPT_S)
    assert not implausible_reason(_batch(ahead_s), None, NOW_MS, 0.0, 10.0)
    assert "has not come yet" in implausible_reason(_batch(ahead_s + 61), None, NOW_MS, 0.0, 10.0)


def test_a_fence_is_not_processed_and_its_generation_refuses_a_former_owners_second() -> None:
    """It is neither a repeat nor superseded."""
    assert not admit("features", _event(fence(2, 4, NOW_MS)), SECOND)
    assert not admit("features", _event(_batch(SECOND + 1, generation=3)), SECOND, fenced=4)
    assert admit("features", _event(_batch(SECOND + 1, generation=4)), SECOND, fenced=4)
