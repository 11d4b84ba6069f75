"""The topic `btc.ticks`, the collector's only persistent state.

Batches are written to it, and a partition is resumed from its newest one. A batch is written to its
partition explicitly, its key the partition's number; acknowledgements are awaited in order.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import msgspec
from aiokafka import TopicPartition

from app.domain.acceptance import refusal_reason
from app.domain.trade_ids import TradeIds
from app.kafka import aiokafka_fixes
from app.kafka.clients import producer
from app.kafka.reading import read_newest
from app.kafka.topics import TICKS
from app.logs import logger
from app.records import TickBatch, Ticks
from app.settings import Settings

TAIL = 60  # batches read to find ids that were skipped and are still missing
READ_TIMEOUT_S, STOP_TIMEOUT_S = 15.0, 5.0
_decoder = msgspec.json.Decoder(TickBatch)
_encoder = msgspec.json.Encoder()
log = logger("collector")


@dataclass
class PartitionTail:
    """The end of a partition: what its next batch goes on from."""

    second: int  # of the newest batch
    generation: int
    last_ids: dict[str, int] = field(default_factory=dict)
    gaps: dict[str, list[tuple[int, int]]] = field(default_factory=dict)  # skipped ids as [start, stop)


class TicksLog:
    """Writes batches and reads the newest ones; `async with TicksLog(settings) as ticks_log`."""

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
            # Nothing may be sent later: another replica goes on from what is written now.
            await aiokafka_fixes.stop_at_once(self._producer)

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

    async def read_tail(self, partition: int) -> PartitionTail | None:
        """Return the end of a partition, None if it is empty; raises KafkaError, TimeoutError."""
        topic_partition = TopicPartition(self._topic, partition)
        async with asyncio.timeout(READ_TIMEOUT_S):
            messages = await read_newest(self._settings, [topic_partition], TAIL)
        values = [message.value for message in messages.get(topic_partition, ())]
        return tail_of([batch for value in values if (batch := _decode(value)) is not None])


def _decode(value: bytes) -> TickBatch | None:
    try:
        return _decoder.decode(value)
    except msgspec.DecodeError as error:
        log.warning("a batch in btc.ticks cannot be decoded and is skipped", reason=str(error))
        return None


def tail_of(batches: list[TickBatch]) -> PartitionTail | None:
    """Return the end of a partition from its newest batches, accepted by the rule of every reader."""
    tail: PartitionTail | None = None
    ids_of: dict[str, TradeIds] = {}
    for batch in batches:
        if tail and refusal_reason(batch, last_second=tail.second, last_generation=tail.generation):
            continue
        for symbol, ticks in batch.symbols.items():
            _add_ids(ids_of.setdefault(symbol, TradeIds()), ticks, batch.second * 1000)
        last_ids = {symbol: ticks.last_id for symbol, ticks in batch.symbols.items()}
        tail = PartitionTail(batch.second, batch.generation, last_ids)
    if tail:
        tail.gaps = {symbol: ids.gaps for symbol, ids in ids_of.items() if ids.gaps}
    return tail


def _add_ids(ids: TradeIds, ticks: Ticks, start_ms: int) -> None:
    for trade_id, time_ms in zip(ticks.trades.id, ticks.trades.time_ms, strict=True):
        # The first id of the tail must be in time: a late one may belong to a gap long before.
        if ids.next is not None or time_ms >= start_ms:
            ids.add(trade_id)
    if ticks.missing >= ids.open_count:
        ids.gaps = []
