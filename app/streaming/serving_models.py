"""The models that run in a worker. What enters: `btc.models`; what leaves: the line-up for the next micro-batch.

Releases are verified, compiled and warmed in an executor, then swapped in between two batches by replacing one
tuple. The packaged cold-start release takes part from the first second; naive serves until a champion is named.
"""

import asyncio
from collections.abc import Iterable
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
from app.kafka import topics
from app.kafka.clients import assigned_consumer, end_offsets, partitions_of
from app.logs import logger
from app.records import ModelRelease, Role
from app.settings import Settings, settings

CATCH_UP_S = 3.0  # what was missed while the worker started comes before what may be needed one day
log = logger("ensemble")


class ServingModels:
    """Follows the releases and keeps what they compile to."""

    def __init__(self, of: Settings) -> None:
        self._settings = of
        self.registry = Registry()
        self.ready = asyncio.Event()
        self._compiled: dict[str, Model] = {}  # those that run, by sha256: a change of role compiles nothing
        self._refused: set[str] = set()
        self._running: tuple[tuple[ModelRelease, Role, Model], ...] = ()
        self._naive: Forecaster = naive(default_z(of.horizons_s), of.horizons_s)
        self._ridge: Forecaster | None = None

    async def open(self) -> None:
        """Import TensorFlow, take the packaged release and everything released so far; then `ready`.

        Compiled are the batch sizes that the settings speak of; those that turn out to be needed follow.
        """
        importing = asyncio.create_task(asyncio.to_thread(tensorflow))
        for release in releases.packaged():
            self.registry.update(release)
        await self._read_releases()
        await importing
        await self._swap()
        self.ready.set()

    async def _read_releases(self) -> None:
        self._consumer = assigned_consumer(self._settings)
        await self._consumer.start()
        self._places = partitions_of(topics.MODELS.full_name(self._settings), topics.MODELS.partitions(self._settings))
        self._consumer.assign(self._places)
        await self._consumer.seek_to_beginning()
        ends = {place: end for place, end in (await end_offsets(self._consumer, self._places)).items() if end}
        while any([await self._consumer.position(place) < end for place, end in ends.items()]):
            await self._take_more(timeout_ms=500)

    async def follow(self) -> None:
        """Take releases as they come, and compile the batch sizes that were missed, until cancelled."""
        try:
            await asyncio.sleep(CATCH_UP_S)
            while True:
                for _release, _role, model in self._running:
                    if model.missing_sizes:
                        await asyncio.to_thread(model.compile, sorted(model.missing_sizes))
                try:
                    changed = await self._take_more(timeout_ms=1000)
                except KafkaError as error:
                    log.warning("models topic does not answer, trying again", reason=str(error))
                    await asyncio.sleep(1)
                    continue
                if changed:
                    await self._swap()
        finally:
            await self._consumer.stop()

    async def _take_more(self, timeout_ms: int) -> bool:
        changed = False
        for messages in (await self._consumer.getmany(timeout_ms=timeout_ms)).values():
            for message in messages:
                changed |= self._take(message.value)
        return changed

    def _take(self, value: bytes | None) -> bool:
        try:
            release = msgspec.json.decode(value or b"", type=ModelRelease)
        except msgspec.MsgspecError as error:
            metrics.MODEL_REFUSED.labels("undecodable").inc()
            log.warning("a release cannot be read", reason=str(error))
            return False
        self.registry.update(release)
        return True

    def _sizes(self) -> set[int]:
        """Return the batch sizes to expect: those in use, or else those that the settings speak of."""
        used = {size for _release, _role, model in self._running for size in model.compiled_sizes}
        homes = topics.by_partition(self._settings.symbols, self._settings.partitions).values()
        return used or {bucket_for(len(symbols)) for symbols in homes}

    async def _swap(self) -> None:
        """Compile what is new and replace the line-up; a release that cannot run is refused and the next one taken."""
        running: list[tuple[ModelRelease, Role, Model]] = []
        for release, role in self.registry.to_run(most=99):
            if len(running) == 2:
                break
            model = await self._model(release)
            if model is not None:
                running.append((release, role, model))
        self._running = tuple(running)
        self._compiled = {release.sha256: model for release, _role, model in running}  # each holds some megabytes
        self._update_baselines([model.parameters for _release, _role, model in running])
        metrics.MODEL_RUNNING.clear()
        for release, role, _model in running:
            metrics.MODEL_RUNNING.labels(release.id, release.kind, role).set(1)
        log.info("line-up", models=[f"{release.id} ({role})" for release, role, _model in running])

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

    def line_up(self, second: int) -> ModelLineup:
        """Return who forecasts at this second of exchange time, the champion first."""
        models = [
            ModelEntry(release.id, release.kind, role, timed(release.kind, model))
            for release, role, model in self._running
        ]
        champion = [runner for runner in models if runner.role == "champion"]
        flags: tuple[str, ...] = ()
        if not champion:
            metrics.FALLBACK.inc()
            flags = ("fallback",)
        elif is_expired(self._running[0][0], second * 1000.0):
            flags = ("model_expired",)
        baselines = [ModelEntry("naive", "naive", "baseline" if champion else "champion", timed("naive", self._naive))]
        if self._ridge is not None:
            baselines.append(ModelEntry("ridge", "ridge", "baseline", timed("ridge", self._ridge)))
        challengers = [runner for runner in models if runner.role != "champion"]
        return ModelLineup((*champion, *baselines, *challengers), self._settings.horizons_s, flags)


def timed(kind: str, forecaster: Forecaster) -> Forecaster:
    """Return a forecaster whose calls are timed."""
    observed = metrics.MODEL_CALL.labels(kind)

    def forecast(features: Rows, volatility: Floats) -> Any:
        with observed.time():
            return forecaster(features, volatility)

    return forecast


SERVING = ServingModels(settings())
