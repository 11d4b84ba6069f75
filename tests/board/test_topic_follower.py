"""The board's reader of the topics, without a Kafka."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition

from app.board.state import BoardState
from app.board.topic_follower import Follower
from app.kafka import topics
from app.kafka.reading import EndOfTopic
from app.settings import Settings


async def test_brokers_that_cannot_be_reached_are_named_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason says where and why; the follower never gives up."""
    settings = Settings(kafka_url="kafka:9092")
    follower = Follower(settings, BoardState(settings), lambda _records, *, arrived_ms: None)
    reasons: list[str] = []

    async def ensure(_settings: Settings) -> None:
        reasons.append(follower.not_following_reason)
        if len(reasons) > 2:
            raise asyncio.CancelledError
        raise OSError("no route")

    async def sleep(_seconds: float) -> None:
        reasons.append(follower.not_following_reason)

    monkeypatch.setattr("app.kafka.topics.ensure", ensure)
    monkeypatch.setattr(asyncio, "sleep", sleep)
    assert follower.not_following_reason == "not started"
    with pytest.raises(asyncio.CancelledError):
        await follower.run()
    assert reasons[:2] == ["connecting to Kafka at kafka:9092", "Kafka at kafka:9092: no route"]


async def test_silence_is_counted_from_the_start_and_from_the_last_message() -> None:
    """An empty read does not end it: from brokers that are away every read is empty."""
    now_s, settings = 50.0, Settings()
    follower = Follower(settings, BoardState(settings), lambda _records, *, arrived_ms: None, lambda: now_s)
    assert follower.silent_s == 0.0
    follower._read_s, now_s = 50.0, 60.0
    models = topics.MODELS.full_name(settings)
    removal = SimpleNamespace(topic=models, key=b"a release", value=None, offset=0)
    reads: list[dict[TopicPartition, list[SimpleNamespace]]] = [{}, {TopicPartition(models, 0): [removal]}]

    async def getmany(**_options: int) -> dict[TopicPartition, list[SimpleNamespace]]:
        return reads.pop(0)

    follower.filled.set()
    consumer: Any = SimpleNamespace(getmany=getmany)
    end = EndOfTopic(consumer, {})
    await follower._read(consumer, end)
    assert follower.silent_s == 10.0
    await follower._read(consumer, end)
    assert follower.silent_s == 0.0


async def test_forecasts_are_shown_before_the_features_of_the_same_fetch_are_decoded() -> None:
    """Clients wait for the forecasts; both come in one answer of the broker, in any order."""
    settings, order = Settings(), list[str]()
    follower = Follower(
        settings, BoardState(settings), lambda records, *, arrived_ms: order.append(f"{len(records)} shown")
    )
    features, predictions = (
        TopicPartition(spec.full_name(settings), 0) for spec in (topics.FEATURES, topics.PREDICTIONS)
    )

    class Recorded:
        def __init__(self, name: str) -> None:
            self.name = name

        def decode(self, _value: bytes) -> str:
            order.append(self.name)
            return self.name

    follower._decoders = {features.topic: Recorded("features"), predictions.topic: Recorded("forecasts")}  # type: ignore[dict-item]

    async def getmany(**_options: int) -> dict[TopicPartition, list[SimpleNamespace]]:
        return {one: [SimpleNamespace(topic=one.topic, value=b"{}", offset=0)] for one in (features, predictions)}

    follower.filled.set()
    consumer: Any = SimpleNamespace(getmany=getmany)
    await follower._read(consumer, EndOfTopic(consumer, {}))
    assert order == ["forecasts", "1 shown", "features", "1 shown"]
