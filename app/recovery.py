"""How tables come back after a rebalance, without losing what arrives meanwhile. What leaves: a Faust table manager.

When recovery is over, Faust resumes the stream partitions, seeks them to the committed offsets, and only then resumes
the flow, which empties the agents' queues. If the flow was running already (a changelog was read, a standby is kept),
messages read between the seek and that moment are thrown away, counted as a gap, and committed. So here the flow stops
before the seek. (faust-streaming issue 596)

A fetch that is in flight when a rebalance begins ends up to a second later, and Faust throws away what it brings: the
flow is stopped. The position has moved on all the same. If the fetch ends between the seek of the changelogs and the
start of their recovery, the recovery waits for ever for messages that nobody fetches again. So here they are fetched
again. (faust-streaming pull requests 256 and 263 seek the committed offsets in that case; a changelog has none)
"""

from collections.abc import Mapping
from typing import Any

from faust.tables.manager import TableManager
from faust.tables.recovery import Recovery
from faust.types import TP


def refetch_dropped(consumer: Any) -> None:
    """Make a Faust consumer fetch again what it fetched and will not hand on.

    The condition is the one of `Consumer.getmany`. Nothing can seek between the fetch and this: both are one step of
    the consumer's thread. Faust passes its own set of active partitions, not a copy; paused while the fetch is in
    flight it is empty, and then aiokafka returns messages of all partitions.
    """
    thread = consumer._thread  # noqa: SLF001 – no public way
    fetch = thread._fetch_records  # noqa: SLF001

    async def fetch_records(kafka: Any, active: set[TP] | None, **options: Any) -> Mapping[TP, list[Any]]:
        fetched = dict(await fetch(kafka, active, **options))
        wanted = _wanted(consumer, active, set(fetched))
        for tp in fetched.keys() - wanted:
            kafka.seek(tp, fetched.pop(tp)[0].offset)
        return fetched

    thread._fetch_records = fetch_records  # noqa: SLF001


def _wanted(consumer: Any, active: set[TP] | None, fetched: set[TP]) -> set[TP]:
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
        """Register the tables and start the recovery.

        Faust sleeps for a second first, for tables that are declared late. Ours are declared when `tables/` is
        imported, and the topics are subscribed to only after this.
        """
        await self._update_channels()
        await self.recovery.start()

    @property
    def recovery(self) -> Any:
        """The recovery, built when first asked for."""
        if self._recovery is None:
            self._recovery = StillRecovery(self.app, self, beacon=self.beacon, loop=self.loop)
        return self._recovery
