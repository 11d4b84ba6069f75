"""The newest fence of each partition of `btc.ticks`, kept in a table beside the windows.

A worker that starts after a fence was read would otherwise take a former owner's late batch for a new second.
"""

import msgspec
from faust.types import EventT

from app.domain.acceptance import NO_SECOND, is_superseded
from app.records import Batch


class Fence(msgspec.Struct, frozen=True):
    """A fence that was read. It counts for the messages after it: not for those of a topic that was created again."""

    generation: int
    offset: int


class Fences:
    """The newest fence by partition.

    >>> fences = Fences()
    >>> fences.restore(2, b'{"generation":7,"offset":40}')
    >>> fences.record(2)
    b'{"generation":7,"offset":40}'
    """

    def __init__(self) -> None:
        self._fences: dict[int, Fence] = {}

    def update(self, event: EventT) -> bool:
        """Learn the fence that an event is; return whether it is one, and not a former owner's."""
        batch: Batch = event.value
        if batch.second != NO_SECOND or is_superseded(batch, self.generation(event)):
            return False
        self._fences[event.message.partition] = Fence(batch.generation, event.message.offset)
        return True

    def generation(self, event: EventT) -> int:
        """Return the generation of the newest fence before an event, 0 without one."""
        fence = self._fences.get(event.message.partition)
        return fence.generation if fence and event.message.offset > fence.offset else 0

    def record(self, partition: int) -> bytes:
        """Return the partition's fence for the table."""
        return msgspec.json.encode(self._fences[partition])

    def restore(self, partition: int, record: bytes | None) -> None:
        """Take the partition's fence from the table."""
        if record is None:
            self._fences.pop(partition, None)
        else:
            self._fences[partition] = msgspec.json.decode(record, type=Fence)


def fence_key(partition: int) -> bytes:
    """Return the key in the table.

    >>> fence_key(2)
    b'2/fence'
    """
    return f"{partition}/fence".encode()


FENCES = Fences()
