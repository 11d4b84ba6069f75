"""Who fills which partition. What enters: membership in the collectors' group; what leaves: gained and lost partitions.

The members of the group on `btc.ticks` read nothing: their assignment says who writes. The consumer is paused, but
polled each second, or the broker would drop it. A static member that was killed and comes back within the session
gets its partitions at once.
"""

import asyncio
from collections.abc import Awaitable, Callable

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition

from app.kafka.clients import client_options
from app.kafka.topics import TICKS
from app.settings import Settings

SESSION_MS, HEARTBEAT_MS = 10_000, 3_000
Change = Callable[[set[int]], Awaitable[None]]


class GroupMembership(ConsumerRebalanceListener):  # type: ignore[misc]
    """Membership of one replica; `gained` and `lost` are awaited with sets of partition numbers."""

    def __init__(self, settings: Settings, gained: Change, lost: Change) -> None:
        self._topic = TICKS.full_name(settings)
        self._gained, self._lost = gained, lost
        group = f"{settings.app_id}-collector"
        self._consumer = AIOKafkaConsumer(
            **client_options(settings),
            group_id=group,
            group_instance_id=f"{group}-{settings.instance}",
            session_timeout_ms=SESSION_MS,
            heartbeat_interval_ms=HEARTBEAT_MS,
            enable_auto_commit=False,
            auto_offset_reset="latest",
        )

    @property
    def generation(self) -> int:
        """The group's generation: it rises with each rebalance."""
        return int(self._consumer._coordinator.generation)  # noqa: SLF001 – aiokafka shows it nowhere else

    async def start(self) -> None:
        """Join the group; raises KafkaError if the brokers cannot be used."""
        await self._consumer.start()
        self._consumer.subscribe([self._topic], listener=self)

    async def stay(self) -> None:
        """Stay a member until cancelled; raises KafkaError."""
        while True:
            await self._consumer.getmany(timeout_ms=0)
            await asyncio.sleep(1.0)

    async def stop(self) -> None:
        """Leave, so that nobody waits for the session of a member that ended in order."""
        # aiokafka lets static members stay behind; the broker takes leave from one by its member id.
        self._consumer._coordinator._group_instance_id = None  # noqa: SLF001
        await self._consumer.stop()

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Pause what was assigned: nothing is read here."""
        self._consumer.pause(*assigned)
        await self._gained({partition.partition for partition in assigned})

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Give up before the group goes on: whoever is next reads what was written last."""
        await self._lost({partition.partition for partition in revoked})
