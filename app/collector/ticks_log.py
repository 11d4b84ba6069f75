"""The topic `btc.ticks`, the collector's only persistent state.

Batches are written to it, and a partition is resumed from its newest one. A batch is written to its
partition explicitly, its key the partition's number; acknowledgements are awaited in order.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec
from aiokafka import TopicPartition

from app.collector.log_producer import LogProducer
from app.domain.acceptance import refusal_reason
from app.domain.trade_ids import TradeIds
from app.kafka.reading import read_newest
from app.kafka.topics import TICKS
from app.logs import logger
from app.records import TickBatch, Ticks
from app.settings import Settings

TAIL = 60  # batches read to find ids that were skipped and are still missing
READ_TIMEOUT_S = 15.0
_decoder = msgspec.json.Decoder(TickBatch)
log = logger("collector")


@dataclass
class PartitionTail:
    """The end of a partition: what its next batch goes on from."""

    second: int  # of the newest batch
    generation: int
    last_ids: dict[str, int] = field(default_factory=dict)
    gaps: dict[str, list[tuple[int, int]]] = field(default_factory=dict)  # skipped ids as [start, stop)
    ids: dict[str, list[int]] = field(default_factory=dict)  # of the trades in the batches read


class TicksLog(LogProducer):
    """Writes batches and reads the newest ones; `async with TicksLog(settings) as ticks_log`."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._topic = TICKS.full_name(settings)

    async def write(self, batches: Iterable[TickBatch]) -> None:
        """Write batches in order and return once the brokers have them all; raises KafkaError."""
        await self.send_all(self._topic, [(batch.partition, str(batch.partition), batch) for batch in batches])

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
    written: dict[str, list[int]] = {}
    for batch in batches:
        if tail and refusal_reason(batch, last_second=tail.second, last_generation=tail.generation):
            continue
        for symbol, ticks in batch.symbols.items():
            _add_ids(ids_of, symbol, ticks, batch.second * 1000)
            written.setdefault(symbol, []).extend(ticks.trades.id)
        last_ids = {symbol: ticks.last_id for symbol, ticks in batch.symbols.items()}
        tail = PartitionTail(batch.second, batch.generation, last_ids)
    if tail:
        tail.gaps, tail.ids = {symbol: ids.gaps for symbol, ids in ids_of.items() if ids.gaps}, written
    return tail


def _add_ids(ids_of: dict[str, TradeIds], symbol: str, ticks: Ticks, start_ms: int) -> None:
    is_first = symbol not in ids_of
    ids = ids_of.setdefault(symbol, TradeIds())
    for trade_id, time_ms in zip(ticks.trades.id, ticks.trades.time_ms, strict=True):
        # The first id of the tail must be in time: a late one may belong to a gap long before.
        if not is_first or time_ms >= start_ms:
            ids.add(trade_id)
    if ids.next is None and ticks.last_id >= 0:
        ids.next = ticks.last_id + 1
