"""How far partitions are written: the slowest one counts."""

from app.clock import Clock
from app.collector.partition_progress import PartitionProgress


def test_one_stuck_partition_among_several_is_seen() -> None:
    """The others are written every second; its lag is wall time, also in a replay at speed 20."""
    written: dict[int, int] = {}
    progress = PartitionProgress(written)
    for partition in (2, 5, 7):
        progress.assign(partition, at_ms=0.0)
    written.update({2: 2999, 5: 2999 - 31 * 20, 7: 2998})
    clock = Clock(3_000_000.0, 50_000.0, 20.0)
    assert progress.lag_s(clock, at_ms=50_000.0) == 31.0
    progress.revoke(5)
    assert progress.lag_s(clock, at_ms=50_000.0) == 0.05


def test_a_takeover_that_does_not_end_is_seen() -> None:
    """What was written before it was assigned, by this process or another, does not count."""
    written = {2: 2999, 5: 100}
    progress = PartitionProgress(written)
    progress.assign(5, at_ms=10_000.0)
    assert progress.lag_s(Clock(3_000_000.0, 50_000.0), at_ms=50_000.0) == 40.0


def test_a_replica_without_a_partition_is_late_with_nothing() -> None:
    """It waits for another to end."""
    assert PartitionProgress({2: 1}).lag_s(Clock(3_000_000.0, 50_000.0), at_ms=50_000.0) == 0.0
