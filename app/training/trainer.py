"""The trainer. What enters: history and live outcomes; what leaves: `btc.models`.

Exchange klines and `btc.features` train a challenger; the worker runs it beside the others; by `btc.outcomes` it
becomes champion, when it won on held-out time and live, or a champion that loses steps down.
"""

import asyncio
import os
import time
from datetime import UTC, datetime

import httpx
import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from app import metrics, releases
from app.clock import wall_ms
from app.domain.promotion import decide
from app.domain.series import Series, span
from app.kafka import topics
from app.kafka.clients import producer
from app.logs import logger
from app.records import ModelRelease
from app.service.heartbeat import ProcessStatus
from app.settings import Settings
from app.training.follower import TrainingData, follow
from app.training.klines import HistoryError, Klines
from app.training.live_history import LiveHistory
from app.training.training import Plan, Trained, TrainingError, train

MOST_SYMBOLS = 3
LEAST_LIVE_S = 1800
RETRY_S, DECIDE_S = 30.0, 10.0
log = logger("train")


async def run(settings: Settings, process_status: ProcessStatus) -> None:
    """Train at the start and every `train_every_s`, and decide who serves, until cancelled."""
    os.nice(10)  # the worker's latency comes first
    trainer = Trainer(settings, process_status)
    sender = producer(settings)
    await sender.start()
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(follow(settings, trainer.followed), name="follow")
            group.create_task(trainer.keep_training(sender), name="train")
            group.create_task(trainer.keep_deciding(sender), name="decide")
    finally:
        await sender.stop()


class Trainer:
    """What the trainer knows: the live history, the releases, the newest scores."""

    def __init__(self, settings: Settings, process_status: ProcessStatus) -> None:
        self._settings = settings
        self._pulse = process_status
        self._symbols = settings.symbols[:MOST_SYMBOLS]
        self.followed = TrainingData(LiveHistory(self._symbols, settings.train_history_s))
        for release in releases.packaged():
            self.followed.registry.take(release)

    def say(self, text: str) -> None:
        """Tell people what is going on: log and heartbeat."""
        self._pulse.note = text
        log.info(text)

    def note(self, figures: dict[str, float], text: str) -> None:
        """Show a training's figures as it goes; called from its thread."""
        self._pulse.progress = {**self._pulse.progress, **figures}
        self.say(text)

    async def keep_training(self, sender: AIOKafkaProducer) -> None:
        """Train, release, rest; where history is missing say so and look again."""
        async with httpx.AsyncClient(base_url=self._settings.exchange_rest_url, timeout=20.0) as client:
            klines = Klines(client, self._settings.train_history_s, self.say)
            while True:
                try:
                    await self._publish(sender, await self.once(klines))
                    await asyncio.sleep(self._settings.train_every_s)
                except (TrainingError, HistoryError, KafkaError) as error:
                    metrics.ERRORS.labels("trainer", type(error).__name__).inc()
                    self.say(f"no new model yet: {error or type(error).__name__}")
                    await asyncio.sleep(RETRY_S)

    async def once(self, klines: Klines) -> ModelRelease:
        """Return a challenger trained on what is known now.

        Raises:
            TrainingError: there is too little history.
            HistoryError: the exchange does not answer and live history is too short as well.

        """
        history = await self._history(klines)
        _start, end = span(history)
        plan = Plan(
            horizons_s=self._settings.horizons_s, epochs=self._settings.train_epochs, created_ms=wall_ms(),
            origin=origin(history, self._settings.source),
        )  # fmt: skip
        started = time.monotonic()
        trained = await asyncio.to_thread(train, history, plan, self.note)
        self._pulse.progress = {**self._pulse.progress, "training_s": time.monotonic() - started}
        return released(trained, end, self._settings.release_ttl_s)

    async def _history(self, klines: Klines) -> list[Series]:
        """Return live mids where there are enough of them, and klines of the time before."""
        live = {series.symbol: series for series in self.followed.live.series(LEAST_LIVE_S)}
        past, reason = await self._past(klines)
        before = [series.before(live[series.symbol].start) if series.symbol in live else series for series in past]
        history = [*(series for series in before if len(series.mid) >= LEAST_LIVE_S), *live.values()]
        if not history:
            quoted = self.followed.live.quoted_s()
            raise TrainingError(f"{reason}; the live history has {quoted} of {LEAST_LIVE_S} s with quotes")
        return history

    async def _past(self, klines: Klines) -> tuple[list[Series], str]:
        try:
            found = [await klines.series(symbol) for symbol in self._symbols]
        except HistoryError as error:
            return [], str(error)
        return [series for series in found if series is not None], "the exchange has too little history of its own"

    async def keep_deciding(self, sender: AIOKafkaProducer) -> None:
        """Look at the live scores now and then, and publish who takes another role."""
        while True:
            await asyncio.sleep(DECIDE_S)
            self._pulse.progress = {**self._pulse.progress, "live_s": float(self.followed.live.quoted_s())}
            try:
                for release in decide(self.followed.registry, self.followed.scores.values()):
                    await self._publish(sender, release)
            except KafkaError as error:
                metrics.ERRORS.labels("trainer", type(error).__name__).inc()
                log.warning("role not published, trying again", reason=str(error) or type(error).__name__)

    async def _publish(self, sender: AIOKafkaProducer, release: ModelRelease) -> None:
        topic = topics.MODELS.full_name(self._settings)
        await sender.send_and_wait(topic, msgspec.json.encode(release), key=release.id.encode(), partition=0)
        self.followed.registry.take(release)
        skills = [f"{h} s {release.metrics.get(f'skill_{h}s', 0.0):+.2%}" for h in release.horizons_s]
        self.say(f"released {release.id} as {release.role}, held-out skill {', '.join(skills)}")


def released(trained: Trained, end: int, ttl_s: int) -> ModelRelease:
    """Return a training's challenger, named after the exchange time its history ends."""
    name = f"tf-{datetime.fromtimestamp(end, UTC):%Y%m%d-%H%M%S}"
    return trained.release(name, expires_ms=1000.0 * (end + ttl_s))


def origin(history: list[Series], source: str) -> str:
    """Return what a release was trained on, for people."""
    parts = [
        f"{series.symbol} {len(series.mid)} s of {'mids' if series.mids else 'klines'} to "
        f"{datetime.fromtimestamp(series.end, UTC):%Y-%m-%d %H:%M:%S}"
        for series in history
    ]
    return f"{source}: {', '.join(parts)}"
