"""The producer of the agents, on a producer of aiokafka that records what it is given."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from aiokafka.errors import KafkaTimeoutError, MessageSizeTooLargeError

from app.kafka import topics
from app.records import DeadLetter
from app.settings import Settings
from app.streaming import publisher
from app.streaming.publisher import Publisher

LETTER = DeadLetter(topic="btc.ticks", partition=2, offset=7, reason="test", at_ms=1.0, by="worker")


class Producer:
    """Keeps messages and acknowledges them when told to."""

    def __init__(self, errors: list[Exception]) -> None:
        self.errors, self.sent, self.acknowledged = errors, list[tuple[str, int]](), list[asyncio.Future[None]]()

    async def send(self, topic: str, _value: bytes, *, key: bytes, partition: int) -> asyncio.Future[None]:
        """Keep a message; return the future of its acknowledgement."""
        if self.errors:
            raise self.errors.pop(0)
        assert key == str(partition).encode()
        self.sent.append((topic, partition))
        self.acknowledged.append(asyncio.get_running_loop().create_future())
        return self.acknowledged[-1]


@pytest.fixture
def started() -> Callable[..., tuple[Publisher, Producer]]:
    """Return a function that gives a publisher on a producer that first fails with some errors."""

    def start(*errors: Exception) -> tuple[Publisher, Producer]:
        made, own = Publisher(Settings()), Producer(list(errors))
        made._producer = own  # type: ignore[assignment]
        return made, own

    return start


async def test_records_are_sent_together_and_all_acknowledgements_awaited(started: Any) -> None:
    """No table may be written while one of them may still be lost."""
    made, own = started()
    publishing = asyncio.create_task(made.publish((topics.PREDICTIONS, LETTER), (topics.FEATURES, LETTER), partition=3))
    await _until(lambda: len(own.sent) == 2)
    assert own.sent == [("btc.predictions", 3), ("btc.features", 3)]
    own.acknowledged[0].set_result(None)
    await asyncio.sleep(0)
    assert not publishing.done()
    own.acknowledged[1].set_result(None)
    await publishing


async def test_a_failure_sends_all_of_them_again(started: Any) -> None:
    """Readers drop a second they have; a missing one nobody could make up for."""
    made, own = started()
    publishing = asyncio.create_task(made.publish((topics.PREDICTIONS, LETTER), (topics.FEATURES, LETTER)))
    await _until(lambda: len(own.sent) == 2)
    own.acknowledged[0].set_result(None)
    own.acknowledged[1].set_exception(KafkaTimeoutError())
    await _until(lambda: len(own.sent) == 4)
    assert own.sent[:2] == own.sent[2:]
    for one in own.acknowledged[2:]:
        one.set_result(None)
    await publishing


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.01)


async def test_what_is_too_large_for_the_brokers_is_not_sent_again(started: Any) -> None:
    """It would block its partition for ever; the event becomes a dead letter instead."""
    made, own = started(MessageSizeTooLargeError())
    with pytest.raises(MessageSizeTooLargeError):
        await made.publish((topics.DEAD, LETTER))
    assert own.sent == []


async def test_a_publisher_that_was_not_started_says_so() -> None:
    """Instead of trying for ever."""
    with pytest.raises(RuntimeError, match="not started"):
        await Publisher(Settings()).publish((topics.DEAD, LETTER))


def test_the_worker_has_one_publisher() -> None:
    """Agents import its method."""
    assert publisher.publish == publisher.PUBLISHER.publish
