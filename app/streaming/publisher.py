"""The producer of the agents: results of one second are encoded once, sent together and awaited together.

Faust's own producer costs a future, a schema and a topic look-up per message, and sends each message by itself. It is
left with the changelogs, for which no reader waits.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.errors import MessageSizeTooLargeError

from app.kafka.clients import producer
from app.kafka.topics import TopicSpec
from app.records import Record
from app.retry import retrying
from app.settings import Settings, settings


def _array(value: object) -> msgspec.Raw:
    """Encode a numpy array as nested JSON lists: a quarter of the time of lists, float32 in its shortest digits."""
    return msgspec.Raw(orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY))


encode = msgspec.json.Encoder(enc_hook=_array).encode


class Publisher:
    """Sends records to partitions of topics; it must be started before the first `publish`."""

    def __init__(self, of: Settings) -> None:
        self._settings = of
        self._producer: AIOKafkaProducer | None = None

    async def start(self) -> None:
        """Connect to the brokers; raises KafkaError."""
        # Not idempotent: a failed send is sent again by `publish`, and readers drop a second that they have.
        self._producer = producer(self._settings, enable_idempotence=False)
        await self._producer.start()

    async def stop(self) -> None:
        """Send what is buffered and disconnect."""
        if self._producer is not None:
            await self._producer.stop()

    async def publish(self, *records: tuple[TopicSpec, Record], partition: int = 0) -> None:
        """Send records to a partition of their topics in one request, and wait until the brokers have all of them.

        A failure is logged and the records are sent again until it works. A record that is too large for the brokers
        raises MessageSizeTooLargeError.
        """
        if self._producer is None:
            raise RuntimeError("the publisher is not started: app/worker.py starts it before the agents")
        sender = self._producer
        messages = [(spec.full_name(self._settings), encode(record)) for spec, record in records]
        names = ", ".join(name for name, _ in messages)
        await retrying(lambda: _send(sender, messages, partition), f"send to {names}/{partition}", unless=_is_too_large)


async def _send(sender: AIOKafkaProducer, messages: Sequence[tuple[str, bytes]], partition: int) -> None:
    key = str(partition).encode()
    acknowledged: list[Any] = [await sender.send(name, value, key=key, partition=partition) for name, value in messages]
    for one in acknowledged:
        await one


def _is_too_large(error: Exception) -> bool:
    return isinstance(error, MessageSizeTooLargeError)


PUBLISHER = Publisher(settings())
publish = PUBLISHER.publish
