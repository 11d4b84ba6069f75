"""The topic `btc.ticks`, the collector's only persistent state.

Batches are written to it, and a partition is resumed from its newest one. A batch is written to its
partition explicitly, its key the partition's number; acknowledgements are awaited in order.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.structs import RecordMetadata

from app.clock import wall_ms
from app.collector.log_producer import LogProducer
from app.domain.acceptance import fence, refusal_reason
from app.domain.trade_ids import IMPLAUSIBLE_JUMP, TradeIds
from app.kafka.reading import read_before
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

    async def write_fence(self, partition: int, generation: int) -> int:
        """Write a fence and return its offset; raises KafkaError."""
        written: RecordMetadata = await (
            await self.send(self._topic, partition, str(partition), fence(partition, generation, wall_ms()))
        )
        offset = int(written.offset)
        if offset < 0:  # sent twice, and the broker remembers only that it has it
            raise KafkaError("the fence's offset is not known")
        return offset

    async def read_newest(self, partition: int, before: int | None = None) -> list[TickBatch]:
        """Return the newest batches of a partition before an offset (None: its end), at most `TAIL`, in order.

        Raises:
            KafkaError, TimeoutError: the brokers do not answer.

        """
        async with asyncio.timeout(READ_TIMEOUT_S):
            messages = await read_before(self._settings, TopicPartition(self._topic, partition), before, TAIL)
        return [batch for message in messages if (batch := _decode(message.value)) is not None]


def _decode(value: bytes) -> TickBatch | None:
    try:
        return _decoder.decode(value)
    except msgspec.DecodeError as error:
        log.warning("a batch in btc.ticks cannot be decoded and is skipped", reason=str(error))
        return None


def newest_generation(batches: list[TickBatch]) -> int:
    """Return the highest generation among batches, −1 without any."""
    return max((batch.generation for batch in batches), default=-1)


def tail_of(batches: list[TickBatch]) -> PartitionTail | None:
    """Return the end of a partition from its newest batches, accepted by the rule of every reader."""
    tail: PartitionTail | None = None
    generation = 0
    ids_of: dict[str, TradeIds] = {}
    written: dict[str, list[int]] = {}
    for batch in batches:
        refusal = refusal_reason(batch, last_second=tail.second if tail else None, last_generation=generation)
        if refusal in {"", "fence"}:
            generation = batch.generation
        if refusal:
            continue
        hours = (batch.second - tail.second) // 3600 if tail else 0
        largest_jump = IMPLAUSIBLE_JUMP * (1 + hours)
        for symbol, ticks in batch.symbols.items():
            _add_ids(ids_of, symbol, ticks, batch.second * 1000, largest_jump)
            written.setdefault(symbol, []).extend(ticks.trades.id)
        last_ids = {symbol: ticks.last_id for symbol, ticks in batch.symbols.items()}
        tail = PartitionTail(batch.second, batch.generation, last_ids)
    if tail:
        tail.gaps, tail.ids = {symbol: ids.gaps for symbol, ids in ids_of.items() if ids.gaps}, written
    return tail


def _add_ids(ids_of: dict[str, TradeIds], symbol: str, ticks: Ticks, start_ms: int, largest_jump: int) -> None:
    is_first = symbol not in ids_of
    ids = ids_of.setdefault(symbol, TradeIds())
    for trade_id, time_ms in zip(ticks.trades.id, ticks.trades.time_ms, strict=True):
        # The first id of the tail must be in time: a late one may belong to a gap long before.
        if not is_first or time_ms >= start_ms:
            if ids.next is not None and trade_id >= ids.next + largest_jump:
                ids.restart(trade_id)
            ids.add(trade_id)
    if ids.next is not None and ticks.last_id < ids.next - 1:
        ids.restart(ticks.last_id + 1)
    if ids.next is None and ticks.last_id >= 0:
        ids.next = ticks.last_id + 1
