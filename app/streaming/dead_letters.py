"""Dead letters: messages that could not be used, published with their place and reason."""

from collections.abc import Iterable

from faust.types import Message

from app import metrics
from app.clock import wall_ms
from app.kafka import topics
from app.logs import logger
from app.records import DeadLetter
from app.streaming.publisher import publish

PAYLOAD_BYTES = 4096
log = logger("streaming")


def start(consumed: Iterable[str]) -> None:
    """Begin the counts of these topics at 0: Prometheus sees no increase in a series that begins with one."""
    for topic in consumed:
        metrics.DEAD_LETTERS.labels(topic)


async def publish_dead_letter(message: Message, reason: str) -> None:
    """Publish a message as a dead letter: its topic, partition and offset, the reason, its first 4 KiB."""
    payload = message.value or b""
    log.warning("dead letter", topic=message.topic, partition=message.partition, offset=message.offset, reason=reason)
    metrics.DEAD_LETTERS.labels(message.topic).inc()
    letter = DeadLetter(
        topic=message.topic, partition=message.partition, offset=message.offset, reason=reason, at_ms=wall_ms(),
        by="worker", payload=payload[:PAYLOAD_BYTES], size_bytes=len(payload),
    )  # fmt: skip
    await publish((topics.DEAD, letter))
