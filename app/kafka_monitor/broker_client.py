"""Questions to one broker, over connections that ask it and no other: partitions, controllers, consumer lag."""

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from aiokafka.admin.config_resource import ConfigResourceType
from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import KafkaError, UnknownError, for_code
from aiokafka.protocol.admin import DescribeConfigsRequest, ListGroupsRequest
from aiokafka.protocol.commit import OffsetFetchRequest
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.protocol.offset import OffsetRequest, OffsetResetStrategy

from app.kafka.aiokafka_fixes import connect_to_broker
from app.kafka.clients import client_options
from app.kafka.describe_quorum import DescribeQuorumRequest
from app.kafka_monitor.broker_view import BrokerView, PartitionState, Quorum
from app.settings import Settings

TIMEOUT_S = 4.0
MIN_ISR = "min.insync.replicas"
MIN_ISR_FRESH_S = 60.0
Address = tuple[str, int]


class NotInClusterError(KafkaError):
    """A broker that answers, but is not one of those the cluster says are up."""


class BrokerConnection:
    """One broker, asked one question after the other; after a failure the next question connects again."""

    def __init__(self, settings: Settings, address: Address) -> None:
        self._options, self.address = client_options(settings), address
        self._connection: AIOKafkaConnection | None = None

    async def ask(self, request: Any) -> Any:
        """Return the broker's answer; raises KafkaError, TimeoutError, OSError."""
        try:
            if self._connection is None or not self._connection.connected():
                self._connection = await connect_to_broker(*self.address, self._options, TIMEOUT_S)
            return await self._connection.send(request)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Disconnect."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class PartitionReader:
    """Reads a broker's view of the partitions; each topic's min.insync.replicas is read once a minute."""

    def __init__(self, broker: BrokerConnection) -> None:
        self._broker = broker
        self._min_isr: dict[str, int] = {}
        self._read_s = float("-inf")

    async def read(self) -> BrokerView:
        """Return the view; raises KafkaError, TimeoutError, OSError."""
        metadata = await self._broker.ask(MetadataRequest(None, allow_auto_topic_creation=False))
        min_isr = await self._min_isr_of(topic for _, topic, *_ in metadata.topics)
        partitions = [
            PartitionState(topic, number, leader, frozenset(replicas), frozenset(isr), min_isr.get(topic, 1))
            for _error, topic, _internal, partitions in metadata.topics
            for _error, number, leader, replicas, isr, *_ in partitions
        ]
        brokers = frozenset(node for node, *_ in metadata.brokers)
        return BrokerView(self._own_id(metadata.brokers), brokers, partitions)

    def _own_id(self, brokers: Iterable[tuple[Any, ...]]) -> int:
        for node, host, port, *_ in brokers:
            if (host, port) == self._broker.address:
                return int(node)
        host, port = self._broker.address
        raise NotInClusterError(f"the cluster does not name {host}:{port} among its brokers: it is starting, or fenced")

    async def _min_isr_of(self, topics: Iterable[str]) -> Mapping[str, int]:
        names, now_s = set(topics), time.monotonic()
        if names - self._min_isr.keys() or now_s - self._read_s > MIN_ISR_FRESH_S:
            wanted = [(int(ConfigResourceType.TOPIC), name, [MIN_ISR]) for name in sorted(names)]
            answer = await self._broker.ask(DescribeConfigsRequest(wanted))
            found = {name: entries for error, _, _, name, entries in answer.resources if not error}
            self._min_isr = {name: int(entries[0][1]) for name, entries in found.items() if entries}
            self._read_s = now_s
        return self._min_isr


async def read_quorum(broker: BrokerConnection) -> Quorum:
    """Return the state of the controllers, as their leader tells the broker; raises KafkaError, TimeoutError, OSError.

    It may take as long as they have no leader, so it needs a connection of its own.
    """
    answer = await broker.ask(DescribeQuorumRequest())
    errors = [answer.error_code]
    for _topic, partitions, _tags in answer.topics:
        for _number, error, leader, epoch, _end, voters, *_ in partitions:
            if not error:
                return Quorum.of(leader, epoch, [(voter[0], voter[3]) for voter in voters])
            errors.append(error)
    code = next(filter(None, errors), UnknownError.errno)
    raise for_code(code)("the controllers are not described")


class LagReader:
    """Reads the lag of the groups this broker coordinates; the ends of their partitions are asked of the leaders."""

    def __init__(self, settings: Settings, broker: BrokerConnection) -> None:
        self._settings, self._broker = settings, broker
        self._leaders: dict[Address, BrokerConnection] = {}

    async def read(self) -> dict[tuple[str, str], int]:
        """Return (group, topic) → messages still to read; raises KafkaError, TimeoutError, OSError.

        A leader that does not answer is left out.
        """
        groups = await self._broker.ask(ListGroupsRequest())
        committed = {group: await self._committed(group) for group, _type in groups.groups}
        ends = await self._ends({partition for offsets in committed.values() for partition in offsets})
        lags: dict[tuple[str, str], int] = defaultdict(int)
        for group, offsets in committed.items():
            for partition, offset in offsets.items():
                if partition in ends:
                    lags[group, partition[0]] += max(0, ends[partition] - offset)
        return dict(lags)

    async def _committed(self, group: str) -> dict[tuple[str, int], int]:
        answer = await self._broker.ask(OffsetFetchRequest(group, None))
        return {(topic, number): offset for topic, partitions in answer.topics
                for number, offset, _metadata, error in partitions if offset >= 0 and not error}  # fmt: skip

    async def _ends(self, wanted: set[tuple[str, int]]) -> dict[tuple[str, int], int]:
        if not wanted:
            return {}
        metadata = await self._broker.ask(MetadataRequest(None, allow_auto_topic_creation=False))
        addresses = {node: (host, port) for node, host, port, *_ in metadata.brokers}
        by_leader: dict[Address, dict[str, list[tuple[int, int]]]] = defaultdict(lambda: defaultdict(list))
        for _error, topic, _internal, partitions in metadata.topics:
            for _error, number, leader, *_ in partitions:
                if (topic, number) in wanted and leader in addresses:
                    by_leader[addresses[leader]][topic].append((number, OffsetResetStrategy.LATEST))
        ends: dict[tuple[str, int], int] = {}
        for address, topics in by_leader.items():
            with suppress(KafkaError, TimeoutError, OSError):
                answer = await self._connection(address).ask(OffsetRequest(-1, 0, list(topics.items())))
                ends |= {(topic, number): offset for topic, partitions in answer.topics
                         for number, error, _time, offset in partitions if not error}  # fmt: skip
        return ends

    def _connection(self, address: Address) -> BrokerConnection:
        return self._leaders.setdefault(address, BrokerConnection(self._settings, address))

    def close(self) -> None:
        """Disconnect from the leaders."""
        for one in self._leaders.values():
            one.close()
