"""Membership in the collectors' group, without a broker."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError

from app.collector import group_membership
from app.collector.group_membership import GroupMembership
from app.settings import Settings


class FakeConsumer:
    """Stands in for aiokafka's consumer."""

    def __init__(self, **options: Any) -> None:
        self.options, self.steps = options, list[object]()
        self.listener: Any = None
        self.fails = False
        self._coordinator = SimpleNamespace(generation=3, _group_instance_id=options["group_instance_id"])

    async def start(self) -> None:
        """Connect."""
        self.steps.append("start")

    async def stop(self) -> None:
        """Leave only as a dynamic member."""
        self.steps.append("leave" if self._coordinator._group_instance_id is None else "stay")

    def subscribe(self, topics: list[str], listener: ConsumerRebalanceListener) -> None:
        """Join the group."""
        self.steps.append(topics)
        self.listener = listener

    def pause(self, *partitions: TopicPartition) -> None:
        """Read nothing."""
        self.steps.append({"paused": {partition.partition for partition in partitions}})

    async def getmany(self, timeout_ms: int) -> dict[object, object]:
        """Poll."""
        assert timeout_ms == 0
        self.steps.append("poll")
        if self.fails:
            raise KafkaError("fenced")
        return {}


@pytest.fixture
def consumers(monkeypatch: pytest.MonkeyPatch) -> list[FakeConsumer]:
    """Collect the consumers that memberships make."""
    made: list[FakeConsumer] = []

    def make(**options: Any) -> FakeConsumer:
        made.append(FakeConsumer(**options))
        return made[-1]

    monkeypatch.setattr(group_membership, "AIOKafkaConsumer", make)
    return made


async def ignore(_partitions: set[int]) -> None:
    """Take no notice of a rebalance."""


async def test_a_replica_is_a_static_member_of_the_group_on_the_ticks(consumers: list[FakeConsumer]) -> None:
    """So a replica that is started again gets its partitions back at once."""
    membership = GroupMembership(Settings(app_id="app", topic_prefix="demo", instance="2"))
    await membership.start(ignore, ignore)
    consumer = consumers[0]
    assert (consumer.options["group_id"], consumer.options["group_instance_id"]) == ("app-collector", "app-collector-2")
    assert consumer.options["enable_auto_commit"] is False
    assert consumer.steps == ["start", ["demo.ticks"]]
    assert membership.generation == 3


async def test_assigned_partitions_are_paused_and_given_on(consumers: list[FakeConsumer]) -> None:
    """Members of this group read nothing."""
    assigned: list[set[int]] = []

    async def on_assigned(partitions: set[int]) -> None:
        assigned.append(partitions)

    await GroupMembership(Settings()).start(on_assigned, ignore)
    await consumers[0].listener.on_partitions_assigned({TopicPartition("t", 2), TopicPartition("t", 5)})
    assert assigned == [{2, 5}]
    assert consumers[0].steps[-1] == {"paused": {2, 5}}


async def test_a_revocation_waits_until_everything_is_written(consumers: list[FakeConsumer]) -> None:
    """The rebalance continues only when the callback has returned."""
    written, revoked = asyncio.Event(), list[set[int]]()

    async def on_revoked(partitions: set[int]) -> None:
        await written.wait()
        revoked.append(partitions)

    await GroupMembership(Settings()).start(ignore, on_revoked)
    revocation = asyncio.create_task(consumers[0].listener.on_partitions_revoked({TopicPartition("t", 2)}))
    await asyncio.sleep(0.01)
    assert not revocation.done()
    written.set()
    await revocation
    assert revoked == [{2}]


async def test_a_member_polls_until_kafka_fails(consumers: list[FakeConsumer], monkeypatch: pytest.MonkeyPatch) -> None:
    """The broker removes a member that does not poll."""
    monkeypatch.setattr(group_membership, "POLL_EVERY_S", 0.001)
    membership = GroupMembership(Settings())
    running = asyncio.create_task(membership.run())
    await asyncio.sleep(0.05)
    assert consumers[0].steps.count("poll") > 2
    consumers[0].fails = True
    with pytest.raises(KafkaError, match="fenced"):
        await running


async def test_a_member_that_stops_leaves_the_group(consumers: list[FakeConsumer]) -> None:
    """Otherwise its partitions wait for the end of its session."""
    membership = GroupMembership(Settings())
    await membership.stop()
    assert consumers[0].steps == ["leave"]
