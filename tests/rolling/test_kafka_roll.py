"""Brokers and controllers are restarted together, as a change of Kafka's image does."""

import asyncio
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from app.broker.failure_reasons import BrokerError
from app.kafka import clients, topics
from app.service.lifecycle import wait_for_topics
from app.settings import Settings
from tests.chart.kafka_nodes import Node, Nodes, kafka_home
from tests.chart.objects import laid_over, values_of, workload
from tests.rolling.rollout import Rollout

PLAINTEXT: dict[str, Any] = {"kafka": {"security": {"protocol": "PLAINTEXT", "credentialsSecret": "", "tlsSecret": ""}}}
SLOWEST_WRITE_S = 15.0  # below it no process says that Kafka is away for long
pytestmark = [pytest.mark.live, pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="needs a shell")]


async def test_rolled_together_every_write_is_acknowledged(tmp_path: Path) -> None:
    """The controllers go first; two replicas are always in sync, or a write would fail."""
    (tmp_path / "home").mkdir()
    try:
        home = kafka_home(tmp_path / "home")
    except BrokerError as error:
        pytest.skip(str(error))
    nodes = Nodes(home, tmp_path, laid_over(values_of("values-production"), PLAINTEXT), {})
    with nodes.started():
        brokers, controllers = nodes.by_component["kafka"], nodes.by_component["kafka-controller"]
        for node in (*controllers, *brokers):
            await asyncio.to_thread(node.wait, "startupProbe", "readinessProbe")
        settings = Settings(kafka_url=nodes.bootstrap, partitions=3, replication_factor=3, min_insync_replicas=2)
        await wait_for_topics(settings, topics.ALL, timeout_s=45)
        writes_s: list[float] = []
        writing = asyncio.create_task(_write(settings, writes_s))
        rollout, ends_s = Rollout(nodes.objects, {}, tmp_path), {}

        async def roll(component: str, of: list[Node]) -> None:
            await rollout.one_by_one(of, workload(nodes.objects, component))
            ends_s[component] = time.monotonic()

        began_s = time.monotonic()
        await asyncio.gather(roll("kafka-controller", controllers), roll("kafka", brokers))
        writing.cancel()
        await asyncio.wait([writing])
        print({name: round(end_s - began_s) for name, end_s in ends_s.items()}, "brokers stopped after",
              [round(one.stopped_s - began_s) for one in brokers], "writes", len(writes_s), "slowest", max(writes_s),
              "SIGTERM to the end, s:", rollout.stops_s)  # fmt: skip
        assert {one.let_go for one in brokers} == {"200 the other replicas are in sync, and no controller is away"}
        assert min(one.stopped_s for one in brokers) > max(one.stopped_s for one in controllers)
        assert writing.cancelled(), writing.exception()
        assert max(writes_s) < SLOWEST_WRITE_S


async def _write(settings: Settings, writes_s: list[float]) -> None:
    topic = topics.TICKS.full_name(settings)
    async with clients.producer(settings) as producer:
        while True:
            began_s = time.monotonic()
            await asyncio.gather(*(producer.send_and_wait(topic, b"{}", partition=one) for one in range(3)))
            writes_s.append(time.monotonic() - began_s)
            await asyncio.sleep(0.05)
