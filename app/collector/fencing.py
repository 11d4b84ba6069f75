"""The fence between a partition's owners: what a former owner still writes is refused by every reader.

A new owner writes a fence of its own generation, then reads the partition up to the fence. It owns the partition once
every generation before its fence is lower. Two owners cannot have the same generation: of two equal fences the later
one finds the earlier and is written again, higher.

No former owner writes a higher fence than its successor: the group confirms an owner after it has read the newest
generation and before it chooses its own, so a successor has read at least as much. The group's generation is a lower
bound and not enough: it starts again with a new group, and a static member that comes back keeps it.
"""

from typing import NamedTuple

from app.collector.group_membership import GroupMembership
from app.collector.ticks_log import PartitionTail, TicksLog, newest_generation, tail_of


class FencedTail(NamedTuple):
    """The end of a partition before the fence, None if it has no second yet, and the generation of the fence."""

    tail: PartitionTail | None
    generation: int


async def fence_off(partition: int, ticks_log: TicksLog, membership: GroupMembership) -> FencedTail:
    """Become the partition's owner; raises KafkaError, TimeoutError, also if the group has assigned it anew."""
    newest = newest_generation(await ticks_log.read_newest(partition))
    while True:
        await membership.confirm()
        generation = max(membership.generation, newest + 1)
        offset = await ticks_log.write_fence(partition, generation)
        before = await ticks_log.read_newest(partition, before=offset)
        if (newest := newest_generation(before)) < generation:
            return FencedTail(tail_of(before), generation)
