"""The trainer on the real broker and the emulator: history in, challenger out, champion by live proof."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer

from app.domain.promotion import LONGEST_HORIZON_S
from app.emulator.server import Exchange, serve
from app.emulator.synthetic import synthetic
from app.kafka import topics
from app.kafka.clients import assigned_consumer, producer
from app.kafka.reading import topic_partitions
from app.records import ModelRelease, OutcomeBatch, Score
from app.service.heartbeat import ProcessStatus
from app.settings import Settings
from app.training import trainer as train


@asynccontextmanager
async def exchange() -> AsyncIterator[Exchange]:
    """Run a synthetic exchange while the body runs."""
    ready: asyncio.Future[Exchange] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(serve(synthetic(7), host="127.0.0.1", port=0, hold=False, ready=ready.set_result))
    try:
        yield await ready
    finally:
        serving.cancel()
        with suppress(asyncio.CancelledError):
            await serving


async def test_a_challenger_is_trained_released_and_promoted_by_live_proof(
    kafka: str, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the exchange's klines to `btc.models`; live scores that prove it make it champion, and undo it."""
    monkeypatch.setattr(train, "DECIDE_S", 0.2)
    async with exchange() as market:
        settings = Settings(
            kafka_url=kafka, topic_prefix=prefix, exchange_rest_url=market.rest_url,
            train_history_s=5400, train_epochs=1,
        )  # fmt: skip
        await topics.ensure(settings)
        trainer = asyncio.create_task(train.run(settings, ProcessStatus()))
        models, sender = assigned_consumer(settings), producer(settings)
        await models.start()
        await sender.start()
        try:
            models.assign(topic_partitions(settings, topics.MODELS))
            first = await released(models)
            assert (first.role, first.kind) == ("challenger", "tensorflow")
            assert "5400 s of klines" in first.origin
            better, key = msgspec.json.encode(winning(first)), first.id.encode()
            await sender.send_and_wait(topics.MODELS.full_name(settings), better, key=key, partition=0)
            await sender.send_and_wait(
                topics.OUTCOMES.full_name(settings), outcomes(first.id, 0.03, 0.001), partition=0
            )
            assert (await released(models)).metrics == winning(first).metrics
            champion = await released(models)
            assert (champion.id, champion.role, champion.sha256) == (first.id, "champion", first.sha256)
            await sender.send_and_wait(topics.OUTCOMES.full_name(settings), outcomes(first.id, -0.03, 1.0), partition=0)
            assert (await released(models)).role == "challenger"
            assert not trainer.done()
        finally:
            trainer.cancel()
            with suppress(asyncio.CancelledError):
                await trainer
            await models.stop()
            await sender.stop()


async def released(models: AIOKafkaConsumer) -> ModelRelease:
    """Return the next record of the models topic."""
    message = await asyncio.wait_for(models.getone(), 60)
    return msgspec.json.decode(message.value, type=ModelRelease)


def winning(release: ModelRelease) -> ModelRelease:
    """Return the release with held-out figures that leave no doubt: an hour and a half is too short to have any."""
    won = {f"{name}_{h}s": value for h in release.horizons_s for name, value in (("skill", 0.03), ("p_value", 0.001))}
    return msgspec.structs.replace(release, metrics={**won, "suspicious": 0.0})


def outcomes(model: str, skill: float, p_value: float) -> bytes:
    """Return a batch with these scores of the model."""
    scores = [
        Score(
            symbol="*", model=model, kind="tensorflow", role="challenger", horizon_s=horizon, n=1000, weight=900.0,
            mae=0.0, rmse=0.0, pinball=0.0, skill=skill, skill_low=skill - 0.01, skill_high=skill + 0.01,
            p_value=p_value, r2=0.0, direction=0.5, coverage={}, pit=[],
        )
        for horizon in (5, 10, 30, LONGEST_HORIZON_S)
    ]  # fmt: skip
    batch = OutcomeBatch(partition=0, second=1, closed_ms=0.0, sent_ms=0.0, settled=[], scores=scores)
    return msgspec.json.encode(batch)
