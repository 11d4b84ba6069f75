"""The monitor beside real brokers: one of three killed, two killed, controllers gone, wrong credentials."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from prometheus_client import REGISTRY

from app.broker.failure_reasons import BrokerError
from app.kafka import clients, topics
from app.kafka_monitor.before_stop import BeforeStop
from app.kafka_monitor.monitor import Monitor
from app.service.lifecycle import wait_for_topics
from app.settings import Settings
from tests.chart.kafka_nodes import Nodes, kafka_home
from tests.chart.objects import laid_over, values_of
from tests.live.conftest import broker, jars, kafka

__all__ = ["broker", "jars", "kafka"]
PLAINTEXT = {"kafka": {"security": {"protocol": "PLAINTEXT", "credentialsSecret": "", "tlsSecret": ""}}}
SASL = {"kafka": {"security": {"protocol": "SASL_PLAINTEXT", "credentialsSecret": "kafka"}}}
CREDENTIALS = {"KAFKA_USERNAME": "btc", "KAFKA_PASSWORD": "a-secret"}
PATIENCE_S = 60.0
pytestmark = [pytest.mark.live, pytest.mark.skipif(sys.platform == "win32", reason="the script is for a shell")]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a Kafka home, or skip where Kafka's jars cannot be had."""
    (tmp_path / "home").mkdir()
    try:
        return kafka_home(tmp_path / "home")
    except BrokerError as error:
        pytest.skip(str(error))


@pytest.fixture
def three(home: Path, tmp_path: Path) -> Iterator[Nodes]:
    """Return production's three brokers and three controllers, running; whatever state they end in, they are ended."""
    nodes = Nodes(home, tmp_path, laid_over(values_of("values-production"), PLAINTEXT), {})
    every = [*nodes.by_component["kafka-controller"], *nodes.by_component["kafka"]]
    try:
        for node in every:
            node.start()
        yield nodes
    finally:
        for node in every:
            node.close()


@asynccontextmanager
async def _monitoring(address: str, **more: Any) -> AsyncIterator[Monitor]:
    monitor = Monitor(Settings(kafka_url=address, instance=address, **more))
    task = asyncio.create_task(monitor.run())
    try:
        yield monitor
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _until(condition: Callable[[], object], what: str) -> float:
    began_s = time.monotonic()
    while not condition():
        assert time.monotonic() - began_s < PATIENCE_S, f"not within {PATIENCE_S:.0f} s: {what}"
        await asyncio.sleep(0.1)
    return time.monotonic() - began_s


def _metric(name: str, of: Monitor) -> float:
    found = REGISTRY.get_sample_value(f"btc_kafka_{name}", {"broker": f"{of.address[0]}:{of.address[1]}"})
    return -1.0 if found is None else found


async def test_the_lag_of_each_group_is_that_of_its_offsets(kafka: str) -> None:
    """Counted by the broker that coordinates it, over all partitions of a topic."""
    settings = Settings(kafka_url=kafka, topic_prefix="lag", partitions=2)
    await wait_for_topics(settings, topics.ALL, timeout_s=45)
    topic = topics.TICKS.full_name(settings)
    async with clients.producer(settings) as producer:
        for number in range(7):
            await producer.send_and_wait(topic, b"{}", partition=number % 2)
    consumer = AIOKafkaConsumer(topic, **clients.client_options(settings), group_id="lagging",
                                        enable_auto_commit=False, auto_offset_reset="earliest")  # fmt: skip
    await consumer.start()
    await consumer.commit(dict.fromkeys(consumer.assignment(), 1))
    await consumer.stop()
    async with _monitoring(kafka) as monitor:
        await _until(lambda: monitor.not_ready_reason() == "", "the broker is ready")
        labels = {"group": "lagging", "topic": topic}
        await _until(lambda: REGISTRY.get_sample_value("btc_kafka_group_lag", labels) == 5, "the lag is 5")
        await _until(lambda: _metric("controller_known", monitor) == 1, "the controller is known")
        assert await asyncio.wait_for(BeforeStop(monitor).wait(), 1) == "there is no other broker"
        assert monitor.stall_reason() == ""


@pytest.mark.slow
async def test_a_broker_that_refuses_the_credentials_is_not_ready_although_its_port_is_open(
    home: Path, tmp_path: Path
) -> None:
    """Clients would be refused too."""
    nodes = Nodes(home, tmp_path, SASL, CREDENTIALS)
    with nodes.started():
        (node,) = nodes.by_component["kafka"]
        right = {"kafka_security": "SASL_PLAINTEXT", "kafka_username": "btc", "kafka_password": "a-secret"}
        async with (
            _monitoring(nodes.bootstrap, **right) as known,
            _monitoring(nodes.bootstrap, **{**right, "kafka_password": "wrong"}) as refused,
        ):
            await _until(lambda: known.not_ready_reason() == "", "the broker is ready")
            await _until(lambda: "uthentication" in refused.not_ready_reason(), "the credentials are refused")
            await asyncio.to_thread(node.wait, "readinessProbe")
            assert BeforeStop(refused).go_reason() == "the broker or the controllers do not answer"


@pytest.mark.slow
async def test_killed_brokers_are_seen_by_the_others_and_controllers_that_go_let_them_go(three: Nodes) -> None:
    """One of three away: ready, under-replicated, not to be stopped; two: below min-ISR; back: all as before."""
    brokers, controllers = three.by_component["kafka"], three.by_component["kafka-controller"]
    settings = Settings(kafka_url=three.bootstrap, partitions=3, replication_factor=3, min_insync_replicas=2)
    for node in brokers:
        await asyncio.to_thread(node.wait, "startupProbe")
    await wait_for_topics(settings, topics.ALL, timeout_s=45)
    async with (
        _monitoring(f"localhost:{brokers[0].port}") as first,
        _monitoring(f"localhost:{brokers[1].port}") as second,
        _monitoring(f"localhost:{brokers[2].port}") as third,
    ):
        every = (first, second, third)
        await _until(lambda: not any(one.not_ready_reason() for one in every), "all are ready")
        assert _metric("brokers", first) == 3
        assert sum(_metric("leaders", one) for one in every) >= 15
        waited_s = await _until_may_stop(first)
        print(f"whole: may stop after {waited_s:.0f} s")

        brokers[2].kill()
        seen_s = await _until(lambda: _metric("under_replicated_partitions", first) > 0, "it is under-replicated")
        print(f"broker killed: seen after {seen_s:.0f} s")
        assert (_metric("below_min_isr_partitions", first), first.not_ready_reason()) == (0, "")
        await _until(lambda: "does not answer" in third.not_ready_reason(), "its own monitor says so")
        assert (_metric("broker_up", third), _metric("broker_up", first)) == (0, 1)
        waiting = BeforeStop(first)
        await asyncio.sleep(12)
        assert waiting.go_reason() == ""

        brokers[1].kill()
        await _until(lambda: "min.insync.replicas" in first.not_ready_reason(), "it is below min-ISR")
        assert _metric("below_min_isr_partitions", first) > 0

        for node in brokers[1:]:
            node.start()
        await _until(lambda: not any(one.not_ready_reason() for one in every), "all are in sync again")
        # A broker that has just started may still show the state of before; the leader of the partitions knows.
        await _until(lambda: _metric("under_replicated_partitions", first) == 0, "every replica is back")

        controllers[2].kill()
        await _until(lambda: _metric("voters_behind", first) == 1, "a controller is missed")
        assert BeforeStop(first).go_reason() == ""
        for node in controllers[:2]:
            node.kill()
        waited_s = await _until_may_stop(first)
        print(f"controllers gone: may stop after {waited_s:.0f} s")
        assert BeforeStop(first).go_reason() == "the broker or the controllers do not answer"
        assert first.not_ready_reason() == ""


async def _until_may_stop(monitor: Monitor) -> float:
    waiting = BeforeStop(monitor)
    return await _until(waiting.go_reason, "it may stop")
