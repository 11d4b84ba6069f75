"""How tables come back after a rebalance, without losing what arrives meanwhile. What leaves: a Faust table manager.

When recovery is over, Faust resumes the stream partitions, seeks them to the committed offsets, and only then resumes
the flow, which empties the agents' queues. If the flow was running already (a changelog was read, a standby is kept),
messages read between the seek and that moment are thrown away, counted as a gap, and committed. So here the flow stops
before the seek (faust-streaming issue 596).

A fetch that is in flight when a rebalance begins ends up to a second later. Faust drops its messages, because the flow
is stopped, and seeks to the committed offsets (faust-streaming pull request 256); but a changelog has no committed
offset, and its position has moved on. If this happens after the recovery's seek, the recovery waits for ever for the
dropped messages. So here they are fetched again.
"""

from collections.abc import Mapping
from typing import Any

from faust.tables.manager import TableManager
from faust.tables.recovery import Recovery
from faust.types import TP


def refetch_dropped(consumer: Any) -> None:
    """Make a Faust consumer fetch again the messages that its `getmany` would drop; call it once per consumer.

    aiokafka moves a position on when it returns messages. `getmany` drops them while the flow is stopped, and those of
    partitions that are not active: aiokafka returns messages of every partition if the set of active partitions is
    empty, and Faust empties its own set during the fetch (robinhood/faust pull request 69).

    A seek cannot come between the fetch and this one: both are one step of the consumer thread's event loop.
    """
    thread = consumer._thread  # noqa: SLF001 – no public way
    fetch = thread._fetch_records  # noqa: SLF001

    async def fetch_records(kafka: Any, active: set[TP] | None, **options: Any) -> Mapping[TP, list[Any]]:
        fetched = dict(await fetch(kafka, active, **options))
        for tp in fetched.keys() - _handed_on(consumer, active, set(fetched)):
            kafka.seek(tp, fetched.pop(tp)[0].offset)
        return fetched

    thread._fetch_records = fetch_records  # noqa: SLF001


def _handed_on(consumer: Any, active: set[TP] | None, fetched: set[TP]) -> set[TP]:
    if not consumer.flow_active:
        return set()
    return fetched if active is None else fetched & (active | consumer._buffered_partitions)  # noqa: SLF001


class StillRecovery(Recovery):
    """A recovery during whose last step nothing flows."""

    async def on_recovery_completed(self, generation_id: int = 0) -> None:
        """Stop the flow; Faust's own step then seeks, and resumes it."""
        self.app.consumer.stop_flow()
        self.app.flow_control.suspend()
        await super().on_recovery_completed(generation_id)


class StillTableManager(TableManager):
    """A table manager with a still recovery, that starts at once."""

    _recovery: Any = None

    async def on_start(self) -> None:
        """Register the tables and start the recovery, without Faust's sleep of one second before it.

        The sleep leaves time to declare tables late; these are declared by importing `tables/`. No rebalance needs it:
        topics are subscribed to only after `_update_channels`, and a rebalance before the recovery runs is kept in its
        event. It does not prevent the recovery that never ends either: that was reproduced with the sleep in place.
        """
        await self._update_channels()
        await self.recovery.start()

    @property
    def recovery(self) -> Any:
        """The recovery, built when first asked for."""
        if self._recovery is None:
            self._recovery = StillRecovery(self.app, self, beacon=self.beacon, loop=self.loop)
        return self._recovery
