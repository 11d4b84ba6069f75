"""What one broker says about its partitions and about the controllers, and what follows from it; no I/O."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

BEHIND_S = 1.5  # a controller that follows has caught up within a second; a restart takes two at the least


@dataclass(frozen=True)
class PartitionState:
    """One partition: node ids of its leader (−1: none), of its replicas, of those in sync; how many must be in sync."""

    topic: str
    number: int
    leader: int
    replicas: frozenset[int]
    isr: frozenset[int]
    min_isr: int

    @property
    def name(self) -> str:
        """Topic and number: `btc.ticks/3`."""
        return f"{self.topic}/{self.number}"

    def is_safe_without(self, broker: int) -> bool:
        """Return whether enough other replicas are in sync for this one to stop.

        Where there are too few others at all, waiting does not help: then all of them must be in sync.
        """
        others = self.replicas - {broker}
        return len(self.isr & others) >= min(self.min_isr, len(others))


@dataclass(frozen=True)
class BrokerView:
    """The partitions of the cluster as one broker describes them; `brokers` are the node ids that are up."""

    broker: int
    brokers: frozenset[int]
    partitions: Sequence[PartitionState]

    @property
    def led(self) -> list[PartitionState]:
        """The partitions this broker leads."""
        return [one for one in self.partitions if one.leader == self.broker]

    @property
    def under_replicated(self) -> list[PartitionState]:
        """The partitions led here that miss a replica."""
        return [one for one in self.led if len(one.isr) < len(one.replicas)]

    @property
    def below_min_isr(self) -> list[PartitionState]:
        """The partitions led here that refuse writes: fewer replicas are in sync than they need."""
        return [one for one in self.led if len(one.isr) < one.min_isr]

    @property
    def out_of_sync(self) -> list[PartitionState]:
        """The partitions of which this broker has a replica that is not in sync."""
        return [one for one in self.partitions if self.broker in one.replicas - one.isr]

    @property
    def offline(self) -> list[PartitionState]:
        """The partitions of the cluster that have no leader."""
        return [one for one in self.partitions if one.leader < 0]

    @property
    def is_alone(self) -> bool:
        """Whether no other broker has a replica or is up: nobody could take over, so nothing is worth waiting for."""
        return self.brokers <= {self.broker} and all(one.replicas <= {self.broker} for one in self.partitions)

    def not_ready_reason(self) -> str:
        """Return why this broker is not ready, or ""."""
        if lost := self.out_of_sync:
            return f"this broker is not in sync in {_some(lost)}"
        if few := self.below_min_isr:
            return f"fewer replicas than min.insync.replicas are in sync in {_some(few)}"
        return ""

    def stop_reason(self) -> str:
        """Return why this broker should not stop now, or ""."""
        unsafe = [one for one in self.partitions
                  if self.broker in one.replicas and not one.is_safe_without(self.broker)]  # fmt: skip
        return f"too few other replicas are in sync in {_some(unsafe)}" if unsafe else ""

    def isr_changes(self, before: "BrokerView") -> tuple[int, int]:
        """Return in how many partitions led here replicas left and joined the in-sync replicas since `before`."""
        known = {(one.topic, one.number): one.isr for one in before.partitions}
        pairs = [(known.get((one.topic, one.number), one.isr), one.isr) for one in self.led]
        return sum(bool(old - new) for old, new in pairs), sum(bool(new - old) for old, new in pairs)


def _some(partitions: Sequence[PartitionState]) -> str:
    """Return `partition btc.ticks/3` or `12 partitions, such as btc.ticks/3`, with the numbers of replicas."""
    first = partitions[0]
    text = f"{first.name} ({len(first.isr)} of {len(first.replicas)} in sync, {first.min_isr} needed)"
    return f"partition {text}" if len(partitions) == 1 else f"{len(partitions)} partitions, such as {text}"


@dataclass(frozen=True)
class Quorum:
    """The controllers: the leader's node id (−1: none), its epoch, and for how many seconds each voter is behind."""

    leader: int
    behind_s: Mapping[int, float]
    epoch: int = 0  # rises with each election

    @classmethod
    def of(cls, leader: int, epoch: int, caught_up_ms: Iterable[tuple[int, int]]) -> "Quorum":
        """Return the quorum from (voter, when it had caught up by the leader's clock, −1: never)."""
        known = dict(caught_up_ms)
        now_ms = known.get(leader, -1)
        return cls(leader, {
            voter: max(0.0, (now_ms - at_ms) / 1000) if at_ms >= 0 and now_ms >= 0 else math.inf
            for voter, at_ms in known.items()
        }, epoch)  # fmt: skip

    @property
    def voters_behind(self) -> list[int]:
        """The voters that are away or have not caught up."""
        return sorted(voter for voter, behind_s in self.behind_s.items() if behind_s > BEHIND_S)

    def is_whole(self) -> bool:
        """Return whether there is a leader and every voter has caught up with it."""
        return self.leader >= 0 and not self.voters_behind

    def has_majority(self) -> bool:
        """Return whether there is a leader, and more than half of the voters have caught up."""
        return self.leader >= 0 and 2 * len(self.voters_behind) < len(self.behind_s)
