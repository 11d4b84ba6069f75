"""What an agent holds in memory per partition, and how one event is worked on. What enters: events; what leaves: rooms.

Faust acknowledges an event even where its body was cancelled, and takes partitions away while a body still waits for
its acknowledgement. Both lose or double a second, so here: a cancelled event stays unread, and whoever takes partitions
or tables away waits for the events in hand first.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Generic, TypeVar

from faust.types import EventT

from app.logs import logger
from app.streaming.admission import ImplausibleError
from app.streaming.faust_app import LAST_EVENTS, app, publish_dead_letter

PATIENCE_S = 5.0  # well within the rebalance timeout; an event takes milliseconds, unless the brokers are away
log = logger("rooms")
State = TypeVar("State")


class PartitionStates(Generic[State]):
    """What an agent holds in memory for each of its partitions: built at first use, dropped on revocation."""

    every: "list[PartitionStates[Any]]" = []  # noqa: RUF012 – one registry for the process

    def __init__(self, build: Callable[[int], State]) -> None:
        self._build = build
        self._rooms: dict[int, State] = {}
        self.idle = asyncio.Event()
        self.idle.set()
        PartitionStates.every.append(self)

    def of(self, partition: int) -> State:
        """Return a partition's room; must be called inside an event of that partition."""
        room = self._rooms.get(partition)
        if room is None:
            room = self._rooms[partition] = self._build(partition)
        return room

    def drop(self, partition: int) -> None:
        """Forget a partition's room: it is rebuilt from the tables when next used."""
        self._rooms.pop(partition, None)

    @asynccontextmanager
    async def guard(self, event: EventT) -> AsyncIterator[None]:
        """Set the event aside if the body cannot use it; the room, half changed, is dropped and nothing stops."""
        self.idle.clear()
        try:
            async with _setting_aside(event, self):
                yield
        except asyncio.CancelledError:
            self.drop(event.message.partition)
            event.message.acked = True  # what is marked as acknowledged is not acknowledged again: it will be re-read
            raise
        finally:
            self.idle.set()


@asynccontextmanager
async def _setting_aside(event: EventT, rooms: PartitionStates[Any]) -> AsyncIterator[None]:
    try:
        yield
    except ImplausibleError as error:  # refused before anything changed: the room is good, and costly to build
        await publish_dead_letter(event.message, str(error))
    except Exception as error:  # noqa: BLE001 – whatever a message breaks, it breaks only itself
        rooms.drop(event.message.partition)
        await publish_dead_letter(event.message, f"{type(error).__name__}: {error}")


async def wait_for_events() -> None:
    """Wait until no agent is in the middle of an event, for some seconds at most; the flow has stopped by now."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            for rooms in PartitionStates.every:
                await rooms.idle.wait()
    except TimeoutError:
        log.warning("an event in hand is not finished, its partition goes all the same", after_s=PATIENCE_S)


async def _drop_revoked(_app: Any, revoked: set[Any], **_options: Any) -> None:
    for partition in {place.partition for place in revoked}:
        for rooms in PartitionStates.every:
            rooms.drop(partition)


LAST_EVENTS.append(wait_for_events)
app.on_partitions_revoked.connect(_drop_revoked)
