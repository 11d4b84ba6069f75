"""The models that forecast in this worker: the releases of `btc.models`, verified, compiled and swapped in.

A release is compiled and warmed in an executor, then swapped in between two batches by replacing one tuple. The
packaged release runs from the first second; naive serves until there is a champion.
"""

import asyncio
from collections.abc import Iterable
from contextlib import AsyncExitStack
from typing import Any

import msgspec
from aiokafka.errors import KafkaError

from app import metrics, releases
from app.domain import features
from app.domain.artifact import ArtifactError, Parameters
from app.domain.baselines import default_z, naive, ridge
from app.domain.forecast import LEVELS, Floats, Forecaster, Rows
from app.domain.model import Model, bucket_for, compile_release, tensorflow
from app.domain.predictions import ModelEntry, ModelLineup
from app.domain.registry import Registry, is_expired, rejection_reasons
from app.kafka import reading, topics
from app.logs import logger
from app.records import ModelRelease, Role
from app.retry import retrying
from app.settings import Settings, settings
from app.streaming.admission import PROGRESS

POLL_MS = 1000
CATCH_UP_S = 3.0  # the backlog of a start comes before further batch sizes
REFUSALS = ("undecodable", "verification")
log = logger("models")


class ServingModels:
    """Follows `btc.models` and keeps the compiled models."""

    def __init__(self, of: Settings) -> None:
        self._settings, self._resources = of, AsyncExitStack()
        self.registry = Registry()
        self.ready = asyncio.Event()
        self._compiled: dict[str, Model] = {}  # those that run, by sha256: a change of role compiles nothing
        self._refused: set[str] = set()
        self._running: tuple[tuple[ModelRelease, Role, Model], ...] = ()
        self._naive: Forecaster = naive(default_z(of.horizons_s), of.horizons_s)
        self._ridge: Forecaster | None = None
        self._entries: tuple[ModelEntry, ...] = ()
        self._served: ModelRelease | None = None
        for reason in REFUSALS:
            metrics.MODEL_REFUSED.labels(reason)  # from 0: Prometheus sees no increase in a series that begins with 1
        self._arrange()

    async def open(self) -> None:
        """Import TensorFlow, read every release so far and compile those that run; then `ready` is set.

        The batch sizes that the settings imply are compiled; others follow once they were needed.
        """
        importing = asyncio.create_task(asyncio.to_thread(tensorflow))
        for release in releases.packaged():
            self.registry.update(release)
        await retrying(self._read_releases, "read the releases", on=KafkaError)
        await importing
        await self._swap()
        self.ready.set()

    async def _read_releases(self) -> None:
        partitions = reading.topic_partitions(self._settings, topics.MODELS)
        self._consumer = await self._resources.enter_async_context(reading.assigned(self._settings, partitions))
        end = await reading.EndOfTopic.now(self._consumer, partitions)
        async for message in reading.read_until(self._consumer, end):
            self._update(message.value)

    async def follow(self) -> None:
        """Follow the topic and compile the batch sizes that were missed, until cancelled."""
        try:
            await asyncio.sleep(CATCH_UP_S)
            while True:
                for _release, _role, model in self._running:
                    if model.missing_sizes:
                        await asyncio.to_thread(model.compile, sorted(model.missing_sizes))
                changed = await retrying(self._poll, "read the models topic", on=KafkaError, longest_wait_s=1.0)
                if changed or self._has_expired_challenger():
                    await self._swap()
        finally:
            await self._resources.aclose()

    def _has_expired_challenger(self) -> bool:
        now_ms = _exchange_ms()
        return any(role == "challenger" and is_expired(release, now_ms) for release, role, _model in self._running)

    async def _poll(self) -> bool:
        changed = False
        for messages in (await self._consumer.getmany(timeout_ms=POLL_MS)).values():
            for message in messages:
                changed |= self._update(message.value)
        return changed

    def _update(self, value: bytes | None) -> bool:
        try:
            release = msgspec.json.decode(value or b"", type=ModelRelease)
        except msgspec.MsgspecError as error:
            metrics.MODEL_REFUSED.labels("undecodable").inc()
            log.warning("a release cannot be read", reason=str(error))
            return False
        self.registry.update(release)
        return True

    def _sizes(self) -> set[int]:
        """Return the batch sizes to expect: those in use, or else those that the settings imply."""
        used = {size for _release, _role, model in self._running for size in model.compiled_sizes}
        by_partition = topics.by_partition(self._settings.symbols, self._settings.partitions).values()
        return used or {bucket_for(len(symbols)) for symbols in by_partition}

    async def _swap(self) -> None:
        """Compile what is new and replace the lineup; after a release that cannot run comes the next one."""
        running: list[tuple[ModelRelease, Role, Model]] = []
        for release, role in self.registry.to_run(_exchange_ms(), most=99):
            if len(running) == 2:
                break
            model = await self._model(release)
            if model is not None:
                running.append((release, role, model))
        self._running = tuple(running)
        self._compiled = {release.sha256: model for release, _role, model in running}  # each holds some megabytes
        self._update_baselines([model.parameters for _release, _role, model in running])
        self._arrange()
        metrics.MODEL_RUNNING.clear()
        for release, role, _model in running:
            metrics.MODEL_RUNNING.labels(release.id, release.kind, role).set(1)
        log.info("models run", models=[f"{release.id} ({role})" for release, role, _model in running])

    async def _model(self, release: ModelRelease) -> Model | None:
        if release.sha256 in self._compiled:
            return self._compiled[release.sha256]
        if release.sha256 in self._refused:
            return None
        try:
            reasons = rejection_reasons(release, features.SCHEMA, self._settings.horizons_s, LEVELS)
            if not reasons:
                model = await asyncio.to_thread(compile_release, release.artifact, self._sizes())
                self._compiled[release.sha256] = model
                return model
        except ArtifactError as error:
            reasons = [str(error)]
        except Exception as error:  # noqa: BLE001 – TensorFlow fails in many types; one bad release must not end the rest
            reasons = [f"{type(error).__name__}: {error}"]
        self._refused.add(release.sha256)
        metrics.MODEL_REFUSED.labels("verification").inc()
        log.warning("release refused", release=release.id, reasons=reasons)
        return None

    def _update_baselines(self, known: Iterable[Parameters]) -> None:
        newest = max(known, key=lambda parameters: parameters.header.created_ms, default=None)
        if newest is None:
            return
        horizons_s = self._settings.horizons_s
        self._naive = naive(newest.naive, horizons_s)
        self._ridge = ridge(newest.scaler, *newest.ridge, horizons_s)

    def _arrange(self) -> None:
        """Arrange the forecasters that run, the champion first."""
        models = [
            ModelEntry(release.id, release.kind, role, timed(release.kind, model))
            for release, role, model in self._running
        ]
        champion = [entry for entry in models if entry.role == "champion"]
        baselines = [ModelEntry("naive", "naive", "baseline" if champion else "champion", timed("naive", self._naive))]
        if self._ridge is not None:
            baselines.append(ModelEntry("ridge", "ridge", "baseline", timed("ridge", self._ridge)))
        challengers = [entry for entry in models if entry.role != "champion"]
        self._entries = (*champion, *baselines, *challengers)
        self._served = next((release for release, role, _model in self._running if role == "champion"), None)

    def lineup(self, second: int) -> ModelLineup:
        """Return the forecasters of this second of exchange time, the champion first."""
        flags: tuple[str, ...] = ()
        if self._served is None:
            metrics.FALLBACK.inc()
            flags = ("fallback",)
        elif is_expired(self._served, second * 1000.0):
            flags = ("model_expired",)
        return ModelLineup(self._entries, self._settings.horizons_s, flags)


def _exchange_ms() -> float:
    """Return the exchange time that this worker has reached, epoch ms; 0 before its first batch."""
    return max(PROGRESS.second.values(), default=0.0) * 1000.0


def timed(kind: str, forecaster: Forecaster) -> Forecaster:
    """Return a forecaster whose calls are timed."""
    observed = metrics.MODEL_CALL.labels(kind)

    def forecast(features: Rows, volatility: Floats) -> Any:
        with observed.time():
            return forecaster(features, volatility)

    return forecast


SERVING = ServingModels(settings())
