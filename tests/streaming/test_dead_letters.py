"""Dead letters."""

from typing import Any

import pytest
from faust.types import TP, Message
from prometheus_client import REGISTRY

from app.kafka import topics
from app.records import DeadLetter
from app.streaming import dead_letters


async def test_a_dead_letter_names_its_offset_and_keeps_its_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    """It holds topic, partition, offset, reason and the first 4 KiB."""
    sent: list[tuple[topics.TopicSpec, DeadLetter]] = []

    async def publish(record: tuple[topics.TopicSpec, DeadLetter]) -> None:
        sent.append(record)

    monkeypatch.setattr(dead_letters, "publish", publish)
    tp = TP("btc.ticks", 2)
    message: Any = Message(tp.topic, tp.partition, 7, 0.0, 0, {}, b"2", b"x" * 10_000, None, tp=tp)
    await dead_letters.publish_dead_letter(message, "too long")
    ((spec, letter),) = sent
    assert spec is topics.DEAD
    assert (letter.topic, letter.partition, letter.offset, letter.reason) == ("btc.ticks", 2, 7, "too long")
    assert (len(letter.payload), letter.size_bytes) == (4096, 10_000)


def test_counts_begin_at_zero() -> None:
    """Prometheus sees the first dead letter of a topic as an increase."""
    dead_letters.start(["some.ticks"])
    assert REGISTRY.get_sample_value("btc_dead_letters_total", {"topic": "some.ticks"}) == 0
