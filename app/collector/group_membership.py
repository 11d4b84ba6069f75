"""Membership in the collectors' group, which assigns to each replica the partitions it fills.

The members of the group on `btc.ticks` read nothing: the assignment says which replica writes. The consumer is paused,
and polled each second, or the broker would remove it. A static member that was killed and comes back within its
session gets its partitions at once.
"""

import asyncio
from collections.abc import Awaitable, Callable

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import CommitFailedError

from app.kafka import aiokafka_fixes
from app.kafka.clients import client_options
from app.kafka.topics import TICKS
from app.settings import Settings

SESSION_MS, HEARTBEAT_MS = 10_000, 3_000
POLL_EVERY_S = 1.0
OnPartitions = Callable[[set[int]], Awaitable[None]]


class GroupMembership:
    """Membership of one replica: `start`, `run`, `stop`."""

    def __init__(self, settings: Settings) -> None:
        self._topic = TICKS.full_name(settings)
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
        return aiokafka_fixes.group_generation(self._consumer)

    async def confirm(self) -> None:
        """Return if the group's coordinator says that this replica is a member now; raises KafkaError if not."""
        if not await aiokafka_fixes.is_member(self._consumer):
            raise CommitFailedError("this replica is no longer a member of the collectors' group")

    async def start(self, on_assigned: OnPartitions, on_revoked: OnPartitions) -> None:
        """Join the group; the callbacks get partition numbers. Raises KafkaError if the brokers cannot be used."""
        await self._consumer.start()
        self._consumer.subscribe([self._topic], listener=_Listener(self._consumer, on_assigned, on_revoked))

    async def run(self) -> None:
        """Stay a member until cancelled; raises KafkaError."""
        while True:
            await self._consumer.getmany(timeout_ms=0)
            await asyncio.sleep(POLL_EVERY_S)

    async def stop(self) -> None:
        """Leave the group, so that its partitions are assigned to others at once."""
        await aiokafka_fixes.leave_group(self._consumer)


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    """Gives partition numbers of a rebalance to the callbacks."""

    def __init__(self, consumer: AIOKafkaConsumer, on_assigned: OnPartitions, on_revoked: OnPartitions) -> None:
        self._consumer, self._on_assigned, self._on_revoked = consumer, on_assigned, on_revoked

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Pause what was assigned: nothing is read here."""
        self._consumer.pause(*assigned)
        await self._on_assigned({partition.partition for partition in assigned})

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Wait for the callback before the rebalance continues: the next replica reads what was written last."""
        await self._on_revoked({partition.partition for partition in revoked})
