"""The data the trainer learns and decides from: live history, releases and scores, read from their topics."""

from dataclasses import dataclass, field

import msgspec
from aiokafka import ConsumerRecord
from aiokafka.errors import KafkaError

from app import metrics
from app.domain.registry import Registry
from app.domain.scoring import ALL_SYMBOLS
from app.kafka import topics
from app.kafka.clients import BATCHED_FETCH
from app.kafka.reading import assigned, seek_back, topic_partitions
from app.logs import logger
from app.records import FeatureBatch, ModelRelease, OutcomeBatch, Score
from app.retry import retrying
from app.service.loop_watch import LoopWatch
from app.settings import Settings
from app.training.live_history import LiveHistory

OUTCOMES_BACK = 60  # messages of each partition of outcomes read back at the start: scores are published once a second
POLL_MS, POLL_MESSAGES = 1000, 200
log = logger("train")


@dataclass
class TrainingData:
    """Live history, releases and the newest scores."""

    live: LiveHistory
    registry: Registry = field(default_factory=Registry)
    scores: dict[tuple[int, str, int], Score] = field(default_factory=dict)  # partition, model, horizon

    def update(self, topic: str, partition: int, payload: bytes) -> None:
        """Apply one message of `topic`, named without its prefix; raises MsgspecError where it cannot be decoded."""
        if topic == topics.FEATURES.name:
            self.live.update(msgspec.json.decode(payload, type=FeatureBatch))
        elif topic == topics.MODELS.name:
            self.registry.update(msgspec.json.decode(payload, type=ModelRelease))
        else:
            for score in msgspec.json.decode(payload, type=OutcomeBatch).scores:
                if score.symbol == ALL_SYMBOLS:
                    self.scores[partition, score.model, score.horizon_s] = score


async def run(settings: Settings, data: TrainingData, loops: LoopWatch) -> None:
    """Read releases from their beginning, features and outcomes from the recent past on, until cancelled."""
    specs = (topics.FEATURES, topics.OUTCOMES, topics.MODELS)
    names = {spec.full_name(settings): spec.name for spec in specs}
    back = dict.fromkeys(topic_partitions(settings, topics.FEATURES), settings.train_history_s)
    back |= dict.fromkeys(topic_partitions(settings, topics.OUTCOMES), OUTCOMES_BACK)
    async with assigned(settings, topic_partitions(settings, *specs), **BATCHED_FETCH) as consumer:
        await seek_back(consumer, back)

        async def poll() -> list[ConsumerRecord]:
            batches = await consumer.getmany(timeout_ms=POLL_MS, max_records=POLL_MESSAGES)
            return [message for messages in batches.values() for message in messages]

        while True:
            loops.beat("read topics")
            for message in await retrying(poll, "read topics", process="trainer", on=KafkaError):
                _update(data, names[message.topic], message)


def _update(data: TrainingData, topic: str, message: ConsumerRecord) -> None:
    try:
        data.update(topic, message.partition, message.value or b"")
    except msgspec.MsgspecError as error:
        metrics.ERRORS.labels("trainer", "undecodable").inc()
        log.warning("a message cannot be read", topic=topic, offset=message.offset, reason=str(error))
