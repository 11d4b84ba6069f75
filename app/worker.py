"""The worker: agents, tables and services wired into one Faust app, which `faust -A app worker` runs.

Before it joins its consumer group it waits for Kafka, makes the topics, checks that its RocksDB belongs to this Kafka,
imports TensorFlow and compiles the models: a worker that has partitions must be able to work on them.
"""

import asyncio
import gc
import sys
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

import agents.outcomes
import agents.predictions
from app import logs
from app.kafka import topics
from app.kafka.clients import client_options
from app.retry import retrying
from app.service import health, heartbeat
from app.service.kafka_watch import KafkaWatch, watching
from app.service.lifecycle import await_topics
from app.settings import Settings, settings
from app.streaming import dead_letters
from app.streaming.admission import PROGRESS
from app.streaming.faust_app import app
from app.streaming.partition_state import PartitionStates, wait_until_idle
from app.streaming.publisher import PUBLISHER
from app.streaming.serving_models import SERVING
from app.streaming.watchdog import Watchdog

__all__ = ["agents", "app"]

if sys.platform != "win32":
    import uvloop

    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())  # Faust's loop and its consumer's: a third less CPU

log = logs.logger("worker")


class WorkerServices:
    """What runs beside the agents: health pages, watchdog, models, heartbeats. It is the app's `Lifecycle`."""

    def __init__(self, of: Settings, states: tuple[PartitionStates[Any], ...]) -> None:
        self._settings, self._states, self._kafka = of, states, KafkaWatch(of)
        self._services, self._watchdog = AsyncExitStack(), Watchdog(of, self._kafka.answering_s)
        self._status = heartbeat.ProcessStatus(
            stall_reason=self._watchdog.stall_reason,
            not_ready_reason=self._watchdog.not_ready_reason,
            refresh=self._refresh,
            kafka_reason=self._kafka.not_ready_reason,
            kafka_answering_s=self._kafka.answering_s,
        )

    async def prepare(self) -> None:
        """Do all that must be done before the worker joins its group."""
        gc.disable()  # collecting while TensorFlow is imported takes 0.6 s and finds nothing
        of = self._settings
        logs.set_up(of, "worker")
        checks = self._status.checks()
        pages = health.serving(of.host, of.worker_port, checks, name="worker", variable="BTC_WORKER_PORT")
        await self._services.enter_async_context(pages)
        await self._services.enter_async_context(watching(self._kafka))
        self._start(self._watchdog.run(), "watchdog")
        await await_topics(of, self._kafka, (*topics.ALL, *topics.CHANGELOGS))
        await retrying(lambda: claim_tables(of), "read the cluster's id", on=KafkaError)
        dead_letters.start(topic.full_name(of) for topic in (topics.TICKS, topics.PREDICTIONS))
        await SERVING.open()
        await retrying(PUBLISHER.start, "connect the publisher", on=KafkaError)
        self._services.push_async_callback(PUBLISHER.stop)
        freeze_memory()
        self._start(SERVING.follow(), "models")
        await self._services.enter_async_context(heartbeat.heartbeats(of, "worker", self._status))

    def _start(self, service: Coroutine[None, None, None], name: str) -> None:
        self._services.callback(asyncio.create_task(service, name=name).cancel)

    async def wait_for_events(self) -> None:
        """Wait for the events that agents are processing."""
        await wait_until_idle(self._states)

    async def drop_revoked(self, _app: Any, revoked: set[Any], **_options: Any) -> None:
        """Drop the states of revoked partitions: another worker continues from the tables."""
        for partition in {one.partition for one in revoked}:
            for states in self._states:
                states.drop(partition)

    async def close(self) -> None:
        """Stop the services, the last one first."""
        await self._services.aclose()

    def _refresh(self) -> None:
        self._watchdog.observe()
        lag = {f"lag_{name.rpartition('.')[2]}": float(count) for name, count in self._watchdog.lag().items()}
        self._status.progress = {**{f"second_{stage}": s for stage, s in PROGRESS.second.items()}, **lag}


def freeze_memory() -> None:
    """Exempt all objects built so far from garbage collection, and turn it on for the rest.

    TensorFlow alone makes a full collection stop the loop for a quarter of a second; frozen, one takes a tenth of that.
    """
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
    gc.enable()


async def claim_tables(of: Settings) -> None:
    """Make sure that the tables on disk belong to this Kafka; those of another cluster are moved away."""
    admin = AIOKafkaAdminClient(**client_options(of))
    await admin.start()
    try:
        cluster = str((await admin.describe_cluster())["cluster_id"])
    finally:
        await admin.close()
    await asyncio.to_thread(_claim, Path(app.conf.datadir), cluster)


def _claim(folder: Path, cluster: str) -> None:
    owner = folder / "cluster-id"
    if owner.exists() and owner.read_text() != cluster:
        moved = folder.with_name(f"{folder.name}.of-{owner.read_text()}")
        log.warning("tables on disk belong to another Kafka; moved away", to=str(moved))
        folder.rename(moved)
    folder.mkdir(parents=True, exist_ok=True)
    owner.write_text(cluster)


# The wiring, in the order of a tick's path; every agent has its states here, or a rebalance would not wait for it.
SERVICES = WorkerServices(
    settings(),
    states=(
        agents.predictions.STATES,
        agents.outcomes.STATES,
    ),
)
app.lifecycle = SERVICES
app.on_partitions_revoked.connect(SERVICES.drop_revoked)
