"""The whole stream, put together. What enters: settings; what leaves: `app`, which `faust -A app worker` runs.

Before it joins the group, a worker ensures the topics, looks whether its RocksDB belongs to this Kafka, imports
TensorFlow and takes the releases: whoever has partitions must be able to work on them.
"""

import asyncio
import gc
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient

# The agents in the order of the walk.
import agents.features
import agents.predictions

import agents.outcomes  # isort: skip
import agents.inspection  # isort: skip

from app import logs
from app.kafka import topics
from app.kafka.clients import client_options
from app.service import health, heartbeat
from app.service.heartbeat import ProcessStatus
from app.service.lifecycle import wait_for_topics
from app.settings import Settings, settings
from app.streaming import faust_app
from app.streaming.admission import PROGRESS
from app.streaming.faust_app import app
from app.streaming.serving_models import SERVING
from app.streaming.watchdog import Watchdog

__all__ = ["agents", "app"]

log = logs.logger("worker")


class WorkerServices:
    """What stands beside the stream while the worker runs: health pages, heartbeats, the models."""

    def __init__(self, of: Settings) -> None:
        self._settings, self._stack, self._watchdog = of, AsyncExitStack(), Watchdog(of)
        self._pulse = ProcessStatus(refresh=self._refresh)

    async def prepare(self) -> None:
        """Do all that must be done before the worker joins its group."""
        gc.disable()  # collecting while TensorFlow is imported takes 0.6 s and finds nothing
        logs.set_up(self._settings, "worker")
        await wait_for_topics(self._settings, (*topics.ALL, *topics.CHANGELOGS))
        await claim_tables(self._settings)
        checks = health.Checks(self._watchdog.stall_reason, self._watchdog.not_ready_reason)
        serving = health.serving(self._settings.host, self._settings.worker_port, checks)
        await self._stack.enter_async_context(serving)
        self._beside(self._watchdog.run(), "watchdog")
        await SERVING.open()
        freeze_memory()
        self._beside(SERVING.follow(), "models")
        await self._stack.enter_async_context(heartbeat.heartbeats(self._settings, "worker", self._pulse))

    def _beside(self, work: Coroutine[None, None, None], name: str) -> None:
        self._stack.callback(asyncio.create_task(work, name=name).cancel)

    async def leave(self) -> None:
        """Take the standing parts down."""
        await self._stack.aclose()

    def _refresh(self) -> None:
        self._watchdog.observe()
        lag = {f"lag_{name.rpartition('.')[2]}": float(count) for name, count in self._watchdog.lag().items()}
        self._pulse.progress = {**{f"second_{stage}": s for stage, s in PROGRESS.second.items()}, **lag}


def freeze_memory() -> None:
    """Take what was built so far out of the garbage collector's sight, and let it work on the rest.

    TensorFlow alone makes a full collection stop the loop for a quarter of a second; frozen, one takes a tenth of that.
    """
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
    gc.enable()


async def claim_tables(of: Settings) -> None:
    """Make sure that the tables on disk belong to this Kafka; those of another cluster are put aside."""
    admin = AIOKafkaAdminClient(**client_options(of))
    await admin.start()
    try:
        cluster = str((await admin.describe_cluster())["cluster_id"])
    finally:
        await admin.close()
    await asyncio.to_thread(_claim, Path(app.conf.datadir), cluster)


def _claim(folder: Path, cluster: str) -> None:
    mark = folder / "cluster-id"
    if mark.exists() and mark.read_text() != cluster:
        aside = folder.with_name(f"{folder.name}.of-{mark.read_text()}")
        log.warning("tables on disk belong to another Kafka; put aside", now=str(aside))
        folder.rename(aside)
    folder.mkdir(parents=True, exist_ok=True)
    mark.write_text(cluster)


SERVICES = WorkerServices(settings())
faust_app.PREPARATIONS.append(SERVICES.prepare)
faust_app.DEPARTURES.append(SERVICES.leave)
