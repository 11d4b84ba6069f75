"""How far each partition that is assigned to this replica is written."""

from app.clock import Clock, steady_ms


class PartitionProgress:
    """The partitions assigned: since when, and the newest second written of each.

    >>> progress = PartitionProgress({3: 100, 5: 90})
    >>> progress.assign(3, 0.0), progress.assign(5, 0.0)
    (None, None)
    >>> progress.lag_s(Clock(103_000.0, 2_000.0), 2_000.0)  # nothing is written since
    2.0
    """

    def __init__(self, written: dict[int, int]) -> None:
        self._written = written  # partition → newest second written by this process, kept by the metrics
        self._assigned_ms: dict[int, float] = {}

    def assign(self, partition: int, at_ms: float | None = None) -> None:
        """Expect seconds of the partition from now on."""
        self._assigned_ms[partition] = steady_ms() if at_ms is None else at_ms
        self._written.pop(partition, None)

    def revoke(self, partition: int) -> None:
        """Expect no more of them."""
        self._assigned_ms.pop(partition, None)

    def lag_s(self, clock: Clock, at_ms: float | None = None) -> float:
        """Return the wall seconds since the end of the newest second, or since the assignment, of the slowest one."""
        now_ms = steady_ms() if at_ms is None else at_ms
        ends_ms = (self._end_ms(partition, clock) for partition in self._assigned_ms)
        return max((now_ms - min(ends_ms, default=now_ms)) / 1000, 0.0)

    def _end_ms(self, partition: int, clock: Clock) -> float:
        if partition not in self._written:
            return self._assigned_ms[partition]
        return clock.wall_of_ms((self._written[partition] + 1) * 1000)
