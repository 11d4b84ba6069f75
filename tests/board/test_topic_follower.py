"""The board's reader of the topics, without a Kafka."""

import asyncio

import pytest

from app.board.state import BoardState
from app.board.topic_follower import Follower
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
