"""The one seam to Faust's internals: everything private or replaced, with what breaks without it.

Faust 0.15.3 and mode 0.7. `tests/streaming/test_faust_fixes.py` fails when one of these changes its shape.

| what | without it |
|---|---|
| `FixedApp._new_consumer`, `consumer.ack` | messages read ahead and skipped in a rebalance are committed: lost |
| `FixedApp._consumer_wait_empty` | waits for messages that were read ahead and thrown away: a rebalance never ends |
| `FixedRecovery.on_recovery_completed` | messages read between seek and resume are thrown away and committed |
| `FixedTableManager.recovery` | the recovery above is never built |
| `FixedTableManager.on_start` | every start sleeps one second |
| `refetch_dropped` | a recovery after a rebalance may wait for ever for messages that a fetch in flight dropped |
| `message.acked`, `message.tracked` | a cancelled event is committed; a dead letter is never committed |
| `_recovery`, `_consumer` | asking by the public property builds them, on the event loop that asks |
| `_committed_offset`, `_read_offset` | no public way to see what is committed: a stalled worker looks busy |
| `FixedWorker._sentinel_task` | every stop sleeps one second after all has ended |
| `SilentWorker`, `silence_command` | in `ecs` format a banner and ANSI codes stand between the JSON lines |
| a `faust.Record` per topic | `faust -A app models` shows nothing |
"""

import asyncio
import types
from collections.abc import Mapping
from typing import Any

import faust
import msgspec
from faust.cli.worker import worker as worker_command
from faust.tables.manager import TableManager
from faust.tables.recovery import Recovery
from faust.types import TP, Message

from app import logs
from app.settings import settings


class FixedRecovery(Recovery):
    """A recovery during whose last step no messages are read.

    When recovery is over, Faust resumes the stream partitions, seeks them to the committed offsets, and only then
    resumes the flow, which empties the agents' queues. If the flow was running already (a changelog was read),
    messages read between the seek and that moment are thrown away, counted as a gap, and committed: faust-streaming
    issue 596.
    """

    async def on_recovery_completed(self, generation_id: int = 0) -> None:
        """Stop the flow; Faust's own step then seeks, and resumes it."""
        self.app.consumer.stop_flow()
        self.app.flow_control.suspend()
        await super().on_recovery_completed(generation_id)


class FixedTableManager(TableManager):
    """A table manager with the fixed recovery, that starts at once."""

    _recovery: Any = None

    async def on_start(self) -> None:
        """Register the tables and start the recovery, without Faust's sleep of one second before it.

        The sleep leaves time to declare tables late; these are declared by importing `tables/`. No rebalance needs it:
        topics are subscribed to only after `_update_channels`, and a rebalance before the recovery runs is kept in its
        event. Nor does it prevent the recovery that never ends (`refetch_dropped`): that was reproduced with it.
        """
        await self._update_channels()
        await self.recovery.start()

    @property
    def recovery(self) -> Any:
        """The recovery, built when first asked for."""
        if self._recovery is None:
            self._recovery = FixedRecovery(self.app, self, beacon=self.beacon, loop=self.loop)
        return self._recovery


class FixedApp(faust.App):
    """A Faust app that acknowledges only what an agent processed, and finishes events before a rebalance."""

    async def wait_for_events(self) -> None:
        """Wait for the events that agents are processing; a subclass knows them."""

    def _new_consumer(self) -> Any:
        consumer = super()._new_consumer()
        ack = consumer.ack
        consumer.ack = lambda message: bool(message.tracked) and ack(message)
        refetch_dropped(consumer)
        return consumer

    async def _consumer_wait_empty(self, consumer: Any, logger: Any) -> None:
        await self.wait_for_events()


class FixedWorker(faust.Worker):
    """A Faust worker that ends when its services have ended."""

    async def _sentinel_task(self) -> None:
        """Let the loop turn once more before it is closed, without mode's sleep of one second: all has ended by now."""
        await asyncio.sleep(0)


class SilentWorker(FixedWorker):
    """A Faust worker that prints nothing itself; its log has the application's format from the first line."""

    def __init__(self, *services: Any, **options: Any) -> None:
        super().__init__(*services, **{**options, "quiet": True})
        self.spinner = None  # it hides and shows the cursor with ANSI codes

    def _setup_logging(self) -> None:
        super()._setup_logging()
        logs.set_up(settings(), "worker")


def silence_command() -> None:
    """Let `faust worker` print no banner; the process is then named by its log."""
    worker_command.on_worker_created = lambda _command, _worker: None


def refetch_dropped(consumer: Any) -> None:
    """Make a consumer fetch again the messages that its `getmany` would drop; call it once per consumer.

    A fetch that is in flight when a rebalance begins ends up to a second later. aiokafka has moved the positions on by
    then, but Faust drops the messages: the flow is stopped, or their partitions are not active. (aiokafka returns
    messages of every partition if the set of active ones is empty, and Faust empties its own set during the fetch:
    robinhood/faust pull request 69.) Faust then seeks to the committed offsets (faust-streaming pull request 256), but
    a changelog has none. If this happens after the recovery's seek, the recovery waits for ever for those messages.

    No seek can come between the fetch and the one here: both are one step of the consumer thread's event loop.
    """
    thread = consumer._thread  # noqa: SLF001
    fetch = thread._fetch_records  # noqa: SLF001

    async def fetch_records(kafka: Any, active: set[TP] | None, **options: Any) -> Mapping[TP, list[Any]]:
        fetched = dict(await fetch(kafka, active, **options))
        for tp in fetched.keys() - _delivered(consumer, active, set(fetched)):
            kafka.seek(tp, fetched.pop(tp)[0].offset)
        return fetched

    thread._fetch_records = fetch_records  # noqa: SLF001


def _delivered(consumer: Any, active: set[TP] | None, fetched: set[TP]) -> set[TP]:
    if not consumer.flow_active:
        return set()
    return fetched if active is None else fetched & (active | consumer._buffered_partitions)  # noqa: SLF001


def leave_unacknowledged(message: Message) -> None:
    """Make sure that a message is read again: what is marked as acknowledged is not acknowledged a second time."""
    message.acked = True


def acknowledge(app: faust.App, message: Message) -> None:
    """Acknowledge a message that no agent processed."""
    message.tracked = True
    app.consumer.ack(message)


def is_recovered(app: faust.App) -> bool:
    """Return whether the app has joined its group and recovered its tables."""
    recovery = app.tables._recovery  # noqa: SLF001
    return bool(
        recovery and recovery.completed.is_set() and not (recovery.in_recovery or app.rebalancing or app.should_stop)
    )


def recovered_offsets(app: faust.App) -> dict[TP, int]:
    """Return the changelog offsets read so far; Faust keeps None for a partition it has not read yet, left out here."""
    recovery = app.tables._recovery  # noqa: SLF001
    return _known(recovery.active_offsets) if recovery else {}


def committed_offsets(app: faust.App) -> dict[TP, int]:
    """Return the committed offsets; partitions without a commit are left out."""
    consumer = app._consumer  # noqa: SLF001
    return _known(consumer._committed_offset) if consumer else {}  # noqa: SLF001


def _known(offsets: Mapping[TP, int | None]) -> dict[TP, int]:
    return {tp: offset for tp, offset in offsets.items() if offset is not None}


def lag(app: faust.App, partition: TP) -> int | None:
    """Return a partition's messages that are not committed yet; None while it is not known."""
    consumer = app.consumer
    try:
        end = consumer.highwater(partition)
    except (AssertionError, LookupError):  # revoked in the consumer's thread meanwhile
        return None
    done = consumer._committed_offset.get(partition)  # noqa: SLF001
    if done is None:  # nothing committed yet: at least the last message read is open
        done = consumer._read_offset.get(partition)  # noqa: SLF001
    return None if end is None or done is None else max(0, end - done)


def register_record(namespace: str, record: type[msgspec.Struct]) -> None:
    """Let `faust -A app models` and `faust -A app model NAME` print a record and its fields."""
    fields = {field.name: str for field in msgspec.structs.fields(record)}
    body = {"__doc__": record.__doc__, "__annotations__": fields, "__module__": record.__module__}
    types.new_class(record.__name__, (faust.Record,), {"namespace": namespace}, lambda space: space.update(body))
