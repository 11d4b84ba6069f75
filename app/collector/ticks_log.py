"""Kafka is the collector's only memory. What enters: batches; what leaves: `btc.ticks`, and where a partition stands.

A batch is written to its partition explicitly, its key the partition's number; acknowledgements are awaited in order.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import msgspec
from aiokafka import TopicPartition

from app.domain.trade_ids import TradeIds
from app.kafka.clients import assigned_consumer, end_offsets, producer
from app.kafka.topics import TICKS
from app.logs import logger
from app.records import TickBatch
from app.settings import Settings

TAIL = 60  # batches read to find ids that were skipped and are still missing
READ_TIMEOUT_S, STOP_TIMEOUT_S = 15.0, 5.0
_decoder = msgspec.json.Decoder(TickBatch)
_encoder = msgspec.json.Encoder()
log = logger("collector")


@dataclass
class PartitionTail:
    """Where a partition stands: what its next batch goes on from."""

    second: int  # the newest one written
    generation: int
    last_ids: dict[str, int] = field(default_factory=dict)
    holes: dict[str, list[tuple[int, int]]] = field(default_factory=dict)  # ids skipped as [start, stop)


class TicksLog:
    """Writes batches and reads the newest; `async with TicksLog(settings) as ledger`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._topic = TICKS.full_name(settings)
        self._producer = producer(settings)

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
            # Nothing may be sent any more by a producer that was given up: others go on from what is written now.
            await self._producer._sender.close()  # noqa: SLF001 – stop() waits for the brokers first
            await self._producer.client.close()

    async def write(self, batches: Iterable[TickBatch]) -> None:
        """Write batches in order and return once the brokers have them all; raises KafkaError."""
        acknowledgements = [await self._send(batch) for batch in batches]
        for acknowledged in acknowledgements:
            await acknowledged

    async def _send(self, batch: TickBatch) -> "asyncio.Future[object]":
        payload, key = _encoder.encode(batch), str(batch.partition).encode()
        sent: asyncio.Future[object] = await self._producer.send(
            self._topic, payload, key=key, partition=batch.partition
        )
        return sent

    async def place(self, partition: int) -> PartitionTail | None:
        """Return where a partition stands, None if it is empty; raises KafkaError, TimeoutError."""
        async with asyncio.timeout(READ_TIMEOUT_S):
            return place_of(await self._tail(TopicPartition(self._topic, partition)))

    async def _tail(self, partition: TopicPartition) -> list[TickBatch]:
        consumer = assigned_consumer(self._settings)
        await consumer.start()
        try:
            consumer.assign([partition])
            end = (await end_offsets(consumer, [partition]))[partition]
            first = (await consumer.beginning_offsets([partition]))[partition]
            consumer.seek(partition, max(first, end - TAIL))
            values: list[bytes] = []
            while await consumer.position(partition) < end:
                for messages in (await consumer.getmany(timeout_ms=500)).values():
                    values += [message.value for message in messages if message.offset < end]
        finally:
            await consumer.stop()
        return [batch for value in values if (batch := _decoded(value)) is not None]


def _decoded(value: bytes) -> TickBatch | None:
    try:
        return _decoder.decode(value)
    except msgspec.DecodeError as error:
        log.warning("a batch in the ledger cannot be read and is passed over", reason=str(error))
        return None


def place_of(tail: list[TickBatch]) -> PartitionTail | None:
    """Return where the batches lead, read as every consumer reads them: no lower generation, no second twice."""
    place: PartitionTail | None = None
    seen: dict[str, TradeIds] = {}
    for batch in tail:
        if place and (batch.generation < place.generation or batch.second <= place.second):
            continue
        place = PartitionTail(batch.second, batch.generation)
        for symbol, ticks in batch.symbols.items():
            ids = seen.setdefault(symbol, TradeIds())
            for trade_id, time_ms in zip(ticks.trades.id, ticks.trades.time_ms, strict=True):
                # The first id of the tail must be in time: a late one may belong to a hole long before.
                if ids.next is not None or time_ms >= batch.second * 1000:
                    ids.add(trade_id)
            if ticks.missing >= ids.open_count:
                ids.gaps = []
            place.last_ids[symbol] = ticks.last_id
    if place:
        place.holes = {symbol: ids.gaps for symbol, ids in seen.items() if ids.gaps}
    return place
