"""Following the topics. What enters: payloads of Kafka; what leaves: decoded records for the board.

No consumer group: every board reads everything. At the start it seeks back so far as the board holds seconds; then it
reads on. When the brokers go away it says so, tries again, and reads the tail once more: repeats do no harm.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Protocol

import msgspec
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from app import metrics
from app.board.records import SHAPES, decoders
from app.board.state import BoardState
from app.clock import wall_ms
from app.kafka import clients, topics
from app.logs import logger
from app.settings import Settings

TAIL = {
    topics.STATUS.name: 400,
    topics.DEAD.name: 20,
}  # messages; heartbeats of the last minutes, the newest dead letters
CHUNK = 64  # messages decoded before the loop turns
log = logger("board")


class Taker(Protocol):
    """What is followed for."""

    state: BoardState

    def take(self, records: list[Any], *, arrived_ms: float | None = None) -> None:
        """Take in decoded records."""


class Follower:
    """One reader of all topics the board shows."""

    def __init__(self, settings: Settings, board: Taker) -> None:
        self.filled_event = asyncio.Event()
        self.trouble = "not started"
        self._settings = settings
        self._board = board
        self._decoders = decoders(settings)
        self._models, self._dead = topics.MODELS.full_name(settings), topics.DEAD.full_name(settings)
        self._ends: dict[TopicPartition, int] = {}  # what must be read before the board is filled
        self._places: dict[TopicPartition, int] = {}  # what was read, so that a new connection goes on from there

    @property
    def filled(self) -> bool:
        """True once everything that was there at the start has been read."""
        return self.filled_event.is_set()

    async def run(self) -> None:
        """Follow until cancelled."""
        pause_s = 0.5
        while True:
            self.trouble = f"connecting to Kafka at {self._settings.bootstrap}"
            try:
                await self._follow()
            except (KafkaError, topics.TopicError, OSError) as error:
                self.trouble = f"Kafka at {self._settings.bootstrap}: {str(error) or type(error).__name__}"
                metrics.ERRORS.labels(process="board", kind="kafka").inc()
                log.warning("the board does not follow", reason=self.trouble, retry_s=pause_s)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, 5.0)

    async def _follow(self) -> None:
        await topics.ensure(self._settings)
        consumer = clients.assigned_consumer(self._settings)
        await consumer.start()
        try:
            await self._seek(consumer)
            self.trouble = ""
            while True:
                await self._read(consumer)
        finally:
            await consumer.stop()

    async def _seek(self, consumer: AIOKafkaConsumer) -> None:
        places = {
            place: spec
            for spec, _ in SHAPES
            for place in clients.partitions_of(spec.full_name(self._settings), spec.partitions(self._settings))
        }
        consumer.assign(list(places))
        begins = await consumer.beginning_offsets(list(places))
        ends = await consumer.end_offsets(list(places))
        seconds = await self._affordable(consumer, ends)
        for place, spec in places.items():
            back = TAIL.get(spec.name, seconds if spec.partitioned else ends[place])
            known = self._places.get(place, -1)
            on = begins[place] <= known <= ends[place]
            consumer.seek(place, known if on else max(begins[place], ends[place] - back))
        self._board.state.dead_total = ends[TopicPartition(self._dead, 0)]
        self._ends = {place: end for place, end in ends.items() if end > begins[place]}

    async def _affordable(self, consumer: AIOKafkaConsumer, ends: Mapping[TopicPartition, int]) -> int:
        # With thousands of symbols the board holds minutes, not an hour: read no more than it can keep.
        topic = topics.PREDICTIONS.full_name(self._settings)
        awaited = {place for place in ends if place.topic == topic and ends[place] > 0}
        for place in ends:
            consumer.seek(place, ends[place] - (place in awaited))
        symbols, patience = 0, 10
        while awaited and (patience := patience - 1):
            for place, messages in (await consumer.getmany(*awaited, timeout_ms=300)).items():
                awaited.discard(place)
                symbols += len(getattr(self._decode(messages[-1]), "symbols", ()))
        return self._board.state.history.affordable(symbols)

    async def _read(self, consumer: AIOKafkaConsumer) -> None:
        batches = await consumer.getmany(timeout_ms=500, max_records=CHUNK)
        arrived_ms = wall_ms() if self.filled else None
        records = [self._decode(message) for messages in batches.values() for message in messages]
        self._board.take([record for record in records if record is not None], arrived_ms=arrived_ms)
        self._places |= {place: messages[-1].offset + 1 for place, messages in batches.items()}
        if not self.filled:
            await self._note_progress(consumer)

    async def _note_progress(self, consumer: AIOKafkaConsumer) -> None:
        self._ends = {place: end for place, end in self._ends.items() if await consumer.position(place) < end}
        if not self._ends:
            self.filled_event.set()
            log.info("board filled", seconds=self._board.state.history.capacity)
        await asyncio.sleep(0)

    def _decode(self, message: ConsumerRecord) -> Any:
        if message.topic == self._dead:
            self._board.state.dead_total = message.offset + 1
        if message.value is None:
            if message.topic == self._models and message.key is not None:
                self._board.state.forget_release(message.key.decode(errors="replace"))
            return None
        try:
            return self._decoders[message.topic].decode(message.value)
        except msgspec.MsgspecError as error:
            metrics.ERRORS.labels(process="board", kind="undecodable").inc()
            log.warning("not for the board", topic=message.topic, offset=message.offset, reason=str(error))
            return None
