"""The topics `btc.gaps` and `btc.backfill`: the gap ledger's memory, and trades too late for forecasts."""

import asyncio
from collections.abc import Iterable

import msgspec
from aiokafka import TopicPartition

from app.collector.log_producer import LogProducer
from app.domain.acceptance import is_superseded
from app.kafka.reading import UNREADABLE, EndOfTopic, assigned, read_until
from app.kafka.topics import BACKFILL, GAPS
from app.records import Gap, TickBatch
from app.settings import Settings

READ_TIMEOUT_S = 60.0
LINGER_MS = 10  # no forecast waits for these records
_decoder = msgspec.json.Decoder(Gap)


class GapsLog(LogProducer):
    """Writes gaps and backfilled batches, reads a partition's gaps; `async with GapsLog(settings) as gaps_log`."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, linger_ms=LINGER_MS)
        self._gaps, self._backfill = GAPS.full_name(settings), BACKFILL.full_name(settings)

    async def write(self, gaps: Iterable[Gap]) -> None:
        """Write gaps and return once the brokers have them; raises KafkaError."""
        await self.send_all(self._gaps, [(gap.partition, gap.id, gap) for gap in gaps])

    async def write_backfill(self, batches: Iterable[TickBatch]) -> None:
        """Write batches to `btc.backfill` and return once the brokers have them; raises KafkaError."""
        await self.send_all(self._backfill, [(batch.partition, str(batch.partition), batch) for batch in batches])

    async def read(self, partition: int) -> list[Gap]:
        """Return the newest record of every gap of a partition; raises KafkaError, TimeoutError."""
        topic_partition, gaps = TopicPartition(self._gaps, partition), list[Gap]()
        async with asyncio.timeout(READ_TIMEOUT_S), assigned(self._settings, [topic_partition]) as consumer:
            async for message in read_until(consumer, await EndOfTopic.now(consumer, [topic_partition])):
                try:
                    gaps.append(_decoder.decode(message.value or b""))
                except UNREADABLE:
                    continue  # the dead letters count it
        return newest(gaps)


def newest(gaps: Iterable[Gap]) -> list[Gap]:
    """Return the newest record of every gap, without those of a collector that had been superseded.

    >>> one = Gap(id="A-trades-4", symbol="A", partition=0, stream="trades", state="open", reason="skipped",
    ...           from_ms=1.0, opened_ms=2.0, generation=2)
    >>> [gap.state for gap in newest([one, msgspec.structs.replace(one, state="filled", generation=1)])]
    ['open']
    """
    by_id, generation = dict[str, Gap](), 0
    for gap in gaps:
        if not is_superseded(gap, generation):
            by_id[gap.id], generation = gap, gap.generation
    return list(by_id.values())
