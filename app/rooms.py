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
from app.rounds import ImplausibleError
from app.stream import LAST_EVENTS, app, set_aside

PATIENCE_S = 5.0  # well within the rebalance timeout; an event takes milliseconds, unless the brokers are away
log = logger("rooms")
Room = TypeVar("Room")


class Rooms(Generic[Room]):
    """What an agent holds in memory for each of its partitions: built at first use, dropped on revocation."""

    every: "list[Rooms[Any]]" = []  # noqa: RUF012 – one registry for the process

    def __init__(self, build: Callable[[int], Room]) -> None:
        self._build = build
        self._rooms: dict[int, Room] = {}
        self.idle = asyncio.Event()
        self.idle.set()
        Rooms.every.append(self)

    def of(self, partition: int) -> Room:
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
async def _setting_aside(event: EventT, rooms: Rooms[Any]) -> AsyncIterator[None]:
    try:
        yield
    except ImplausibleError as error:  # refused before anything changed: the room is good, and costly to build
        await set_aside(event.message, str(error))
    except Exception as error:  # noqa: BLE001 – whatever a message breaks, it breaks only itself
        rooms.drop(event.message.partition)
        await set_aside(event.message, f"{type(error).__name__}: {error}")


async def events_in_hand() -> None:
    """Wait until no agent is in the middle of an event, for some seconds at most; the flow has stopped by now."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            for rooms in Rooms.every:
                await rooms.idle.wait()
    except TimeoutError:
        log.warning("an event in hand is not finished, its partition goes all the same", after_s=PATIENCE_S)


async def _drop_revoked(_app: Any, revoked: set[Any], **_options: Any) -> None:
    for partition in {place.partition for place in revoked}:
        for rooms in Rooms.every:
            rooms.drop(partition)


LAST_EVENTS.append(events_in_hand)
app.on_partitions_revoked.connect(_drop_revoked)
