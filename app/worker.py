"""The whole stream, put together. What enters: settings; what leaves: `app`, which `faust -A app worker` runs.

Before it joins the group, a worker ensures the topics, looks whether its RocksDB belongs to this Kafka, imports
TensorFlow and takes the releases: whoever has partitions must be able to work on them.
"""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient

# The agents in the order of the walk.
import agents.features
import agents.predictions

import agents.outcomes  # isort: skip
import agents.inspection  # isort: skip

from app import health, heartbeat, logs, stream, topics
from app.clock import wall_ms
from app.ensemble import ENSEMBLE
from app.heartbeat import Pulse
from app.kafka import client_options
from app.process import topics_when_kafka_answers
from app.rounds import PROGRESS
from app.settings import Settings, settings
from app.stream import app

__all__ = ["agents", "app"]

STUCK_MS = 30_000.0
log = logs.logger("worker")
STAGES = ("features", "predictions", "outcomes")


class Watch:
    """Whether the worker makes progress: alive means that offsets advance while there is something to do."""

    def __init__(self) -> None:
        self._moved_ms = wall_ms()
        self._seen: dict[str, float] = {}

    def lag(self) -> dict[str, int]:
        """Return the messages not yet read, per topic of the walk."""
        consumer = app.consumer
        found: dict[str, int] = {}
        for place in self._places():
            end, read = consumer.highwater(place), consumer._read_offset.get(place)  # noqa: SLF001 – no public way
            if end is not None and read is not None:
                found[place.topic] = found.get(place.topic, 0) + max(0, end - read - 1)
        return found

    def _places(self) -> set[Any]:
        names = {topic.full(settings()) for topic in topics.ALL}
        return {place for place in app.consumer.assignment() if place.topic in names} if self.running() else set()

    def running(self) -> bool:
        """Say whether the app has joined its group and recovered its tables."""
        recovery = app.tables.recovery
        return bool(app.started and recovery.completed.is_set() and not recovery.in_recovery and not app.rebalancing)

    def look(self) -> None:
        """Note whether anything moved since the last look; without lag, standing still is fine."""
        now = dict(PROGRESS.second)
        if now != self._seen or (self.running() and not any(self.lag().values())):
            self._moved_ms = wall_ms()
        self._seen = now

    def alive(self) -> str:
        """Return why the worker must be restarted, or ""."""
        self.look()
        still_ms = wall_ms() - self._moved_ms
        return f"no progress for {still_ms / 1000:.0f} s with lag {self.lag()}" if still_ms > STUCK_MS else ""

    def ready(self) -> str:
        """Return why the worker does not forecast yet, or ""."""
        if not ENSEMBLE.ready.is_set():
            return "models are not compiled yet"
        return "" if self.running() else "tables are being recovered"


class Standing:
    """What stands beside the stream while the worker runs: health pages, heartbeats, the models."""

    def __init__(self, of: Settings) -> None:
        self._settings, self._stack, self._watch = of, AsyncExitStack(), Watch()
        self._pulse = Pulse(refresh=self._refresh)

    async def prepare(self) -> None:
        """Do all that must be done before the worker joins its group."""
        logs.set_up(self._settings, "worker")
        await topics_when_kafka_answers(self._settings, (*topics.ALL, *topics.CHANGELOGS))
        await own_tables(self._settings)
        serving = health.serving(self._settings.host, self._settings.worker_port, self._watch.alive, self._watch.ready)
        await self._stack.enter_async_context(serving)
        await ENSEMBLE.open()
        follow = asyncio.create_task(ENSEMBLE.follow(), name="models")
        self._stack.callback(follow.cancel)
        await self._stack.enter_async_context(heartbeat.beating(self._settings, "worker", self._pulse))

    async def leave(self) -> None:
        """Take the standing parts down."""
        await self._stack.aclose()

    def _refresh(self) -> None:
        self._watch.look()
        lag = {f"lag_{name.rpartition('.')[2]}": float(count) for name, count in self._watch.lag().items()}
        self._pulse.progress = {**{f"second_{stage}": s for stage, s in PROGRESS.second.items()}, **lag}


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
