"""The trainer process: trains challengers, and promotes or demotes models by their live scores.

Exchange klines and `btc.features` train a challenger, which is published to `btc.models`; workers run it alongside the
others. By the scores of `btc.outcomes` it becomes champion once it wins on held-out time and live, and a champion that
is worse than naive is demoted.
"""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import httpx
import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from app import releases
from app.clock import wall_ms
from app.domain.promotion import decide
from app.domain.symbol_series import SymbolSeries, time_span
from app.kafka import topics
from app.kafka.clients import producer
from app.logs import logger
from app.records import ModelRelease
from app.retry import error_reason, retrying
from app.service.heartbeat import ProcessStatus
from app.service.loop_watch import LoopWatch
from app.settings import Settings
from app.training import training_data
from app.training.klines import HistoryError, KlineHistory
from app.training.live_history import LiveHistory
from app.training.pipeline import TrainingError, TrainingPlan, TrainingResult, train
from app.training.training_data import TrainingData

MAX_SYMBOLS = 3
MIN_LIVE_S = 1800
RETRY_S, DECIDE_S = 30.0, 10.0
TRAIN = "train a model"  # the name of the loop
log = logger("train")


class TrainingStoppedError(RuntimeError):
    """The process stops while a model is being trained."""


async def run(settings: Settings, process_status: ProcessStatus) -> None:
    """Train at the start and every `train_every_s`, and change roles by live scores, until cancelled."""
    trainer = Trainer(settings, process_status)
    sender = producer(settings)
    await retrying(sender.start, "connect to Kafka", process="trainer", on=KafkaError)
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(training_data.run(settings, trainer.data, trainer.loops), name="training data")
            group.create_task(trainer.run_training(sender), name="train")
            group.create_task(trainer.run_promotion(sender), name="promote")
    finally:
        await sender.stop()


class Trainer:
    """Trains and publishes releases from the live history, releases and scores in `data`."""

    def __init__(self, settings: Settings, process_status: ProcessStatus) -> None:
        self._settings = settings
        self._status = process_status
        self._symbols = settings.symbols[:MAX_SYMBOLS]
        self._is_stopping = threading.Event()
        self.loops = LoopWatch(process_status.kafka_answering_s)
        process_status.stall_reason = self.loops.stall_reason
        self.data = TrainingData(LiveHistory(self._symbols, settings.train_history_s))
        for release in releases.packaged():
            self.data.registry.update(release)

    def report(self, text: str) -> None:
        """Show a line in the log and in the heartbeat."""
        self._status.note = text
        log.info(text)

    def report_progress(self, figures: dict[str, float], text: str) -> None:
        """Show the figures of a running training; called from its thread."""
        if self._is_stopping.is_set():
            raise TrainingStoppedError
        self.loops.beat(TRAIN)
        self._status.progress = {**self._status.progress, **figures}
        self.report(text)

    async def run_training(self, sender: AIOKafkaProducer) -> None:
        """Train and publish a challenger every `train_every_s`, until cancelled; without history try again later."""
        async with httpx.AsyncClient(base_url=self._settings.exchange_rest_url, timeout=20.0) as client:
            klines = KlineHistory(client, self._settings.train_history_s, self.report)

            async def train_and_publish() -> None:
                await self._publish(sender, await self.train_once(klines))

            while True:
                await retrying(
                    self._with_reason(train_and_publish), "train a model", process="trainer",
                    on=(TrainingError, HistoryError, KafkaError), first_wait_s=RETRY_S, longest_wait_s=RETRY_S,
                )  # fmt: skip
                await asyncio.sleep(self._settings.train_every_s)

    def _with_reason(self, step: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
        """Return the step such that a failure shows in the heartbeat before it is raised."""

        async def attempt() -> None:
            try:
                await step()
            except Exception as error:
                self._status.note = f"no new model yet: {error_reason(error)}"
                raise

        return attempt

    async def train_once(self, klines: KlineHistory) -> ModelRelease:
        """Return a challenger trained on the history until now.

        Raises:
            TrainingError: there is too little history.
            HistoryError: the exchange does not answer and live history is too short as well.

        """
        history = await self._history(klines)
        _start, end = time_span(history)
        plan = TrainingPlan(
            horizons_s=self._settings.horizons_s, epochs=self._settings.train_epochs, created_ms=wall_ms(),
            origin=origin(history, self._settings.source),
        )  # fmt: skip
        started = time.monotonic()
        self.loops.beat(TRAIN)
        try:
            trained = await asyncio.to_thread(train, history, plan, self.report_progress)
        except asyncio.CancelledError:
            self._is_stopping.set()  # a thread cannot be cancelled: it ends at its next epoch
            raise
        finally:
            self.loops.rest(TRAIN)  # what follows waits for Kafka, for the exchange or for the next training
        self._status.progress = {**self._status.progress, "training_s": time.monotonic() - started}
        return challenger(trained, end, self._settings.release_ttl_s)

    async def _history(self, klines: KlineHistory) -> list[SymbolSeries]:
        """Return live mids where there are enough of them, and klines of the time before them."""
        live = {series.symbol: series for series in self.data.live.series(MIN_LIVE_S)}
        past, reason = await self._past(klines)
        earlier = [series.until(live[series.symbol].start) if series.symbol in live else series for series in past]
        history = [*(series for series in earlier if len(series.mid) >= MIN_LIVE_S), *live.values()]
        if not history:
            quoted = self.data.live.quoted_s()
            raise TrainingError(f"{reason}; the live history has {quoted} of {MIN_LIVE_S} s with quotes")
        return history

    async def _past(self, klines: KlineHistory) -> tuple[list[SymbolSeries], str]:
        try:
            found = [await klines.series(symbol) for symbol in self._symbols]
        except HistoryError as error:
            return [], str(error)
        return [series for series in found if series is not None], "the exchange has too little history of its own"

    async def run_promotion(self, sender: AIOKafkaProducer) -> None:
        """Change roles by live scores every `DECIDE_S`, until cancelled."""

        async def publish_changes() -> None:
            for release in decide(self.data.registry, self.data.scores.values()):
                await self._publish(sender, release)

        while True:
            self.loops.beat("change roles")
            await asyncio.sleep(DECIDE_S)
            self._status.progress = {**self._status.progress, "live_s": float(self.data.live.quoted_s())}
            await retrying(publish_changes, "publish a role", process="trainer", on=KafkaError)

    async def _publish(self, sender: AIOKafkaProducer, release: ModelRelease) -> None:
        topic = topics.MODELS.full_name(self._settings)
        await sender.send_and_wait(topic, msgspec.json.encode(release), key=release.id.encode(), partition=0)
        self.data.registry.update(release)
        skills = [f"{h} s {release.metrics.get(f'skill_{h}s', 0.0):+.2%}" for h in release.horizons_s]
        self.report(f"released {release.id} as {release.role}, held-out skill {', '.join(skills)}")


def challenger(trained: TrainingResult, end: int, ttl_s: int) -> ModelRelease:
    """Return the challenger of a training, named after the exchange time at which its history ends."""
    name = f"tf-{datetime.fromtimestamp(end, UTC):%Y%m%d-%H%M%S}"
    return trained.release(name, expires_ms=1000.0 * (end + ttl_s))


def origin(history: list[SymbolSeries], source: str) -> str:
    """Return a description of what a release was trained on."""
    parts = [
        f"{series.symbol} {len(series.mid)} s of {'mids' if series.mids else 'klines'} to "
        f"{datetime.fromtimestamp(series.end, UTC):%Y-%m-%d %H:%M:%S}"
        for series in history
    ]
    return f"{source}: {', '.join(parts)}"
