"""A producer whose acknowledgements are awaited in order, and which sends nothing after it was stopped."""

import asyncio
from types import TracebackType
from typing import Any, Self

import msgspec
from aiokafka.structs import RecordMetadata

from app.kafka import aiokafka_fixes
from app.kafka.clients import producer
from app.records import Record
from app.settings import Settings

STOP_TIMEOUT_S = 5.0
_encoder = msgspec.json.Encoder()


class LogProducer:
    """The base of what writes to topics; `async with` starts and stops it."""

    def __init__(self, settings: Settings, **options: Any) -> None:
        self._settings = settings
        self._producer = producer(settings, **options)

    async def __aenter__(self) -> Self:
        try:
            await self._producer.start()
        except BaseException:
            await self._producer.stop()
            raise
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        try:
            await asyncio.wait_for(self._producer.stop(), STOP_TIMEOUT_S)
        except TimeoutError:
            # Nothing may be sent later: another replica goes on from what is written now.
            await aiokafka_fixes.stop_at_once(self._producer)

    async def send_all(self, topic: str, records: list[tuple[int, str, Record]]) -> None:
        """Write records, each with its partition and key; return once the brokers have them. Raises KafkaError."""
        sent = [await self.send(topic, *record) for record in records]
        for acknowledged in sent:
            await acknowledged

    async def send(self, topic: str, partition: int, key: str, record: Record) -> "asyncio.Future[RecordMetadata]":
        """Send one record; return its acknowledgement."""
        payload = _encoder.encode(record)
        sent: asyncio.Future[RecordMetadata] = await self._producer.send(
            topic, payload, key=key.encode(), partition=partition
        )
        return sent
