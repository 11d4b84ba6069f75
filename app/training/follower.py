"""What the trainer listens to. What enters: features, outcomes and models; what leaves: history, scores, registry."""

from dataclasses import dataclass, field

import msgspec
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from app import metrics
from app.domain.promotion import ALL_SYMBOLS
from app.domain.registry import Registry
from app.kafka import topics
from app.kafka.clients import BATCHED_FETCH, assigned_consumer, end_offsets, partitions_of
from app.logs import logger
from app.records import FeatureBatch, ModelRelease, OutcomeBatch, Score
from app.settings import Settings
from app.training.live_history import LiveHistory

RECENT = 60  # messages of each partition of outcomes read back at the start: scores come once a second
log = logger("train")


@dataclass
class TrainingData:
    """What is known so far."""

    live: LiveHistory
    registry: Registry = field(default_factory=Registry)
    scores: dict[tuple[int, str, int], Score] = field(default_factory=dict)  # partition, model, horizon

    def take(self, topic: str, partition: int, payload: bytes) -> None:
        """Follow one message of `topic`, named without its prefix; raise MsgspecError where it is none."""
        if topic == topics.FEATURES.name:
            self.live.take(msgspec.json.decode(payload, type=FeatureBatch))
        elif topic == topics.MODELS.name:
            self.registry.take(msgspec.json.decode(payload, type=ModelRelease))
        else:
            for score in msgspec.json.decode(payload, type=OutcomeBatch).scores:
                if score.symbol == ALL_SYMBOLS:
                    self.scores[partition, score.model, score.horizon_s] = score


async def follow(settings: Settings, followed: TrainingData) -> None:
    """Read the three topics without a group, features as far back as a training looks, until cancelled."""
    topic_specs = (topics.FEATURES, topics.OUTCOMES, topics.MODELS)
    names = {spec.full_name(settings): spec.name for spec in topic_specs}
    places = [place for c in topic_specs for place in partitions_of(c.full_name(settings), c.partitions(settings))]
    back = {topics.FEATURES.full_name(settings): settings.train_history_s, topics.OUTCOMES.full_name(settings): RECENT}
    consumer = assigned_consumer(settings, **BATCHED_FETCH)
    await consumer.start()
    try:
        consumer.assign(places)
        await _rewind(consumer, places, back)
        while True:
            for place, messages in (await _next(consumer)).items():
                for message in messages:
                    _take(followed, names[place.topic], message)
    finally:
        await consumer.stop()


async def _rewind(consumer: AIOKafkaConsumer, places: list[TopicPartition], back: dict[str, int]) -> None:
    """Go so many messages back from the end; a topic that is not in `back` is read from its beginning."""
    ends, starts = await end_offsets(consumer, places), await consumer.beginning_offsets(places)
    for place in places:
        offset = ends[place] - back[place.topic] if place.topic in back else 0
        consumer.seek(place, max(offset, starts[place]))


async def _next(consumer: AIOKafkaConsumer) -> dict[TopicPartition, list[ConsumerRecord]]:
    try:
        batches: dict[TopicPartition, list[ConsumerRecord]] = await consumer.getmany(timeout_ms=1000, max_records=200)
    except KafkaError as error:
        log.warning("topics do not answer, trying again", reason=str(error) or type(error).__name__)
        return {}
    return batches


def _take(followed: TrainingData, topic: str, message: ConsumerRecord) -> None:
    try:
        followed.take(topic, message.partition, message.value or b"")
    except msgspec.MsgspecError as error:
        metrics.ERRORS.labels("trainer", "undecodable").inc()
        log.warning("a message cannot be read", topic=topic, offset=message.offset, reason=str(error))
