"""What this project relies on inside aiokafka; without a broker."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from types import SimpleNamespace

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.client import AIOKafkaClient
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.consumer.subscription_state import SubscriptionState
from aiokafka.errors import KafkaError
from aiokafka.protocol.group import LeaveGroupRequest

from app.kafka.aiokafka_fixes import connect_to_broker, group_generation, is_member, leave_group, stop_at_once
from app.kafka.clients import client_options
from app.settings import Settings


async def test_a_producer_that_waits_for_its_brokers_is_stopped_at_once() -> None:
    """Its `stop()` would wait until they are back."""
    producer = AIOKafkaProducer(bootstrap_servers="127.0.0.1:9")

    async def send_for_ever() -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()

    producer._sender._sender_task = sending = asyncio.create_task(send_for_ever())
    await asyncio.sleep(0)
    async with asyncio.timeout(1.0):
        await stop_at_once(producer)
    assert sending.done()
    producer._closed = True  # otherwise its end is a ResourceWarning


class Requests(list[object]):
    """The requests that a coordinator sends."""

    async def send(self, request: object) -> None:
        """Take a request."""
        self.append(request)


@pytest.fixture
async def consumer() -> AsyncIterator[AIOKafkaConsumer]:
    """Return a consumer that is a static member of a group, as `start()` would leave it."""
    consumer = AIOKafkaConsumer(bootstrap_servers="127.0.0.1:9", group_id="group", group_instance_id="group-0")
    consumer._coordinator = GroupCoordinator(
        AIOKafkaClient(bootstrap_servers="127.0.0.1:9"), SubscriptionState(), group_id="group",
        group_instance_id="group-0",
    )  # fmt: skip
    yield consumer
    await consumer.stop()


async def test_the_generation_is_the_coordinators(consumer: AIOKafkaConsumer) -> None:
    """Unknown before the first rebalance."""
    assert group_generation(consumer) == -1
    consumer._coordinator.generation = 7
    assert group_generation(consumer) == 7


@pytest.mark.parametrize(("code", "expected"), [(0, True), (22, False), (25, False), (27, True)])
async def test_the_coordinator_says_whether_a_consumer_is_a_member(
    consumer: AIOKafkaConsumer, monkeypatch: pytest.MonkeyPatch, code: int, expected: bool
) -> None:
    """Yes; another generation; unknown; the next generation has not begun while the group rebalances."""

    async def answer(_request: object) -> object:
        return SimpleNamespace(error_code=code)

    monkeypatch.setattr(consumer._coordinator, "_send_req", answer)
    assert await is_member(consumer) is expected


@pytest.mark.parametrize("leaves", [True, False])
async def test_a_static_member_leaves_its_group_only_by_the_fix(
    consumer: AIOKafkaConsumer, monkeypatch: pytest.MonkeyPatch, leaves: bool
) -> None:
    """Aiokafka's own `stop()` sends nothing for a static member."""
    requests = Requests()
    consumer._coordinator.generation, consumer._coordinator.member_id = 7, "group-0-x"
    monkeypatch.setattr(consumer._coordinator, "_send_req", requests.send)
    await (leave_group(consumer) if leaves else consumer.stop())
    assert [type(request) for request in requests] == ([LeaveGroupRequest] if leaves else [])


@pytest.mark.parametrize("security", ["PLAINTEXT", "SASL_PLAINTEXT"])
async def test_one_broker_is_connected_to_with_the_options_of_every_client(security: str) -> None:
    """The options are accepted, and the address is this one and no other."""
    callers: list[asyncio.StreamWriter] = []

    def refuse(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        callers.append(writer)
        writer.close()

    options = client_options(Settings(kafka_url="127.0.0.1:1", kafka_security=security))
    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        with suppress(KafkaError, OSError):  # nobody answers
            (await connect_to_broker("127.0.0.1", server.sockets[0].getsockname()[1], options, 1.0)).close()
        async with asyncio.timeout(5):
            while not callers:
                await asyncio.sleep(0.01)
