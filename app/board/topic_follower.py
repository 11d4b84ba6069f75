"""The board's reader of the topics: no consumer group, for every board reads everything.

At the start it seeks back as many messages as the board holds seconds; then it reads on. When the brokers cannot be
reached it tries again and continues where it was.
"""

import asyncio
import math
import time
from collections.abc import Callable
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from app import metrics
from app.board.records import RECORDS, decoders
from app.board.state import BoardState
from app.clock import wall_ms
from app.kafka import topics
from app.kafka.reading import EndOfTopic, assigned, read_newest, seek_back, topic_partitions
from app.logs import logger
from app.retry import error_reason, keep_running
from app.settings import Settings

EVERYTHING = 2**62  # more messages than a partition can hold
# Messages: the heartbeats of some minutes, the newest letters, the whole ledger of gaps
TAIL = {topics.STATUS.name: 400, topics.DEAD.name: 20, topics.GAPS.name: EVERYTHING}
CHUNK = 64  # messages decoded before other tasks of the loop run
log = logger("board")


class Follower:
    """One reader of all topics the board shows."""

    def __init__(
        self,
        settings: Settings,
        state: BoardState,
        update: Callable[..., None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.filled = asyncio.Event()  # set once everything that was there at the start has been read
        self.not_following_reason = "not started"
        self._settings, self._state, self._update = settings, state, update
        self._decoders = decoders(settings)
        self._predictions = topics.PREDICTIONS.full_name(settings)
        self._models, self._dead = topics.MODELS.full_name(settings), topics.DEAD.full_name(settings)
        self._gaps = topics.GAPS.full_name(settings)
        self._clock, self._read_s = clock, math.inf  # monotonic, of the last message read
        self._next: dict[TopicPartition, int] = {}  # the offset from which a new connection continues

    @property
    def silent_s(self) -> float:
        """Seconds since the last message of any topic was read; 0 before it follows."""
        return max(0.0, self._clock() - self._read_s)

    async def run(self) -> None:
        """Follow until cancelled."""
        self._read_s = self._clock()
        await keep_running(self._attempt, "follow the topics", process="board", on=Exception)

    async def _attempt(self) -> None:
        self.not_following_reason = f"connecting to Kafka at {self._settings.bootstrap}"
        try:
            await self._follow()
        except Exception as error:  # whatever it is, a board that stopped following would show the past for ever
            self.not_following_reason = f"Kafka at {self._settings.bootstrap}: {error_reason(error)}"
            raise

    async def _follow(self) -> None:
        await topics.ensure(self._settings)
        messages = await self._tails()
        async with assigned(self._settings, messages.keys()) as consumer:
            end = await seek_back(consumer, messages)
            await self._continue(consumer, end)
            self._state.dead_total = end.ends[TopicPartition(self._dead, 0)]
            self.not_following_reason = ""
            while True:
                await self._read(consumer, end)

    async def _tails(self) -> dict[TopicPartition, int]:
        # How many messages are read of each partition: one a second, others by TAIL, all releases.
        seconds = await self._affordable_s()
        return {
            partition: TAIL.get(spec.name, seconds if spec.partitioned else EVERYTHING)
            for spec, _ in RECORDS
            for partition in topic_partitions(self._settings, spec)
        }

    async def _affordable_s(self) -> int:
        # With thousands of symbols the board holds minutes, not an hour: read no more than it can keep.
        newest = await read_newest(self._settings, topic_partitions(self._settings, topics.PREDICTIONS))
        symbols = sum(len(getattr(self._decode(messages[-1]), "symbols", ())) for messages in newest.values())
        return self._state.history.affordable_s(symbols)

    async def _continue(self, consumer: AIOKafkaConsumer, end: EndOfTopic) -> None:
        # After a reconnection: from the message behind the last one read, if it is still in the tail.
        for partition, offset in self._next.items():
            if await consumer.position(partition) <= offset <= end.ends[partition]:
                consumer.seek(partition, offset)

    async def _read(self, consumer: AIOKafkaConsumer, end: EndOfTopic) -> None:
        batches = await consumer.getmany(timeout_ms=500, max_records=CHUNK)
        arrived_ms = wall_ms() if self.filled.is_set() else None
        if batches:
            self._read_s = self._clock()
        for is_awaited in (True, False):  # a second's features come with its forecasts, and nobody waits for them
            chosen = [
                batches[partition] for partition in batches if (partition.topic == self._predictions) == is_awaited
            ]
            records = [self._decode(message) for messages in chosen for message in messages]
            self._update([record for record in records if record is not None], arrived_ms=arrived_ms)
        self._next |= {partition: messages[-1].offset + 1 for partition, messages in batches.items()}
        if not self.filled.is_set():
            await self._check_filled(end)

    async def _check_filled(self, end: EndOfTopic) -> None:
        if await end.is_reached():
            self.filled.set()
            log.info("board filled", seconds=self._state.history.capacity)
        await asyncio.sleep(0)

    def _decode(self, message: ConsumerRecord) -> Any:
        if message.topic == self._dead:
            self._state.dead_total = message.offset + 1
        if message.value is None:
            self._remove(message)
            return None
        try:
            return self._decoders[message.topic].decode(message.value)
        except msgspec.MsgspecError as error:
            metrics.ERRORS.labels(process="board", kind="undecodable").inc()
            log.warning("message not decoded", topic=message.topic, offset=message.offset, reason=str(error))
            return None

    def _remove(self, message: ConsumerRecord) -> None:
        if message.key is None:
            return
        if message.topic == self._models:
            self._state.remove_release(message.key.decode(errors="replace"))
        elif message.topic == self._gaps:
            self._state.remove_gap(message.key.decode(errors="replace"))
