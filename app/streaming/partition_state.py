"""The state an agent holds in memory for each of its partitions, and the processing of one event with it.

Faust acknowledges an event even where its body was cancelled, and revokes partitions while a body still waits for its
acknowledgement. Both lose or double a second. So a cancelled event stays unacknowledged, and before partitions are
revoked or tables closed the worker waits for the events that are being processed.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, Generic, TypeVar

from faust.types import EventT

from app.logs import logger
from app.streaming import faust_fixes
from app.streaming.admission import ImplausibleError
from app.streaming.dead_letters import publish_dead_letter

PATIENCE_S = 5.0  # well within the rebalance timeout; an event takes milliseconds, unless the brokers are away
log = logger("streaming")
State = TypeVar("State")


class PartitionStates(Generic[State]):
    """One agent's states by partition: built at first use, dropped on revocation.

    >>> states = PartitionStates(lambda partition: [partition])
    >>> states.get(3) is states.get(3)
    True
    """

    def __init__(self, build: Callable[[int], State]) -> None:
        self._build = build
        self._states: dict[int, State] = {}
        self.idle = asyncio.Event()
        self.idle.set()

    def get(self, partition: int) -> State:
        """Return a partition's state; a new one is built from tables, so inside an event of that partition."""
        state = self._states.get(partition)
        if state is None:
            state = self._states[partition] = self._build(partition)
        return state

    def drop(self, partition: int) -> None:
        """Forget a partition's state: it is rebuilt from the tables when next used."""
        self._states.pop(partition, None)

    @asynccontextmanager
    async def processing(self, event: EventT) -> AsyncIterator[State]:
        """Give the state of the event's partition; an event that the body cannot use becomes a dead letter.

        Its state may be half changed, so it is dropped. An `ImplausibleError` is raised before anything changes: the
        state stays.
        """
        self.idle.clear()
        try:
            yield self.get(event.message.partition)
        except asyncio.CancelledError:
            self.drop(event.message.partition)
            faust_fixes.leave_unacknowledged(event.message)
            raise
        except ImplausibleError as error:
            await publish_dead_letter(event.message, str(error))
        except Exception as error:  # noqa: BLE001 – a bad message must not stop the good ones behind it
            self.drop(event.message.partition)
            await publish_dead_letter(event.message, f"{type(error).__name__}: {error}")
        finally:
            self.idle.set()


async def wait_until_idle(all_states: Iterable[PartitionStates[Any]]) -> None:
    """Wait until no agent processes an event, at most `PATIENCE_S`; no further messages arrive by then."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            for states in all_states:
                await states.idle.wait()
    except TimeoutError:
        log.warning("an event is still being processed; its partition is revoked all the same", after_s=PATIENCE_S)
