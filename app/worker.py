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

from app import health, heartbeat, logs, stream, topics
from app.ensemble import ENSEMBLE
from app.heartbeat import Pulse
from app.kafka import client_options
from app.process import topics_when_kafka_answers
from app.rounds import PROGRESS
from app.settings import Settings, settings
from app.stream import app
from app.watch import Watch

__all__ = ["agents", "app"]

log = logs.logger("worker")


class Standing:
    """What stands beside the stream while the worker runs: health pages, heartbeats, the models."""

    def __init__(self, of: Settings) -> None:
        self._settings, self._stack, self._watch = of, AsyncExitStack(), Watch(of)
        self._pulse = Pulse(refresh=self._refresh)

    async def prepare(self) -> None:
        """Do all that must be done before the worker joins its group."""
        gc.disable()  # collecting while TensorFlow is imported takes 0.6 s and finds nothing
        logs.set_up(self._settings, "worker")
        await topics_when_kafka_answers(self._settings, (*topics.ALL, *topics.CHANGELOGS))
        await own_tables(self._settings)
        serving = health.serving(self._settings.host, self._settings.worker_port, self._watch.alive, self._watch.ready)
        await self._stack.enter_async_context(serving)
        self._beside(self._watch.keep(), "watch")
        await ENSEMBLE.open()
        settle_memory()
        self._beside(ENSEMBLE.follow(), "models")
        await self._stack.enter_async_context(heartbeat.beating(self._settings, "worker", self._pulse))

    def _beside(self, work: Coroutine[None, None, None], name: str) -> None:
        self._stack.callback(asyncio.create_task(work, name=name).cancel)

    async def leave(self) -> None:
        """Take the standing parts down."""
        await self._stack.aclose()

    def _refresh(self) -> None:
        self._watch.look()
        lag = {f"lag_{name.rpartition('.')[2]}": float(count) for name, count in self._watch.lag().items()}
        self._pulse.progress = {**{f"second_{stage}": s for stage, s in PROGRESS.second.items()}, **lag}


def settle_memory() -> None:
    """Take what was built so far out of the garbage collector's sight, and let it work on the rest.

    TensorFlow alone makes a full collection stop the loop for a quarter of a second; frozen, one takes a tenth of that.
    """
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
    gc.enable()


async def own_tables(of: Settings) -> None:
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


STANDING = Standing(settings())
stream.PREPARATIONS.append(STANDING.prepare)
stream.DEPARTURES.append(STANDING.leave)
