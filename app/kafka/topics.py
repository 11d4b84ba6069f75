"""Every topic of the system, and how it is created and checked on the brokers.

Every topic of the pipeline has one writer. These topics share one partition count and keep the partition number, so
that one worker has all that belongs to a symbol.
"""

import asyncio
from dataclasses import dataclass, field

from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code
from aiokafka.partitioner import murmur2

from app import records
from app.kafka.clients import MAX_MESSAGE_BYTES, client_options
from app.retry import error_reason
from app.settings import Settings

DAY_MS = 24 * 3600 * 1000


class TopicError(RuntimeError):
    """A topic that cannot be created, or is not as the pipeline needs it: what, where and what to do."""


class KafkaUnavailableError(TopicError):
    """Brokers that do not answer, or cannot do what they are asked for yet; it may work later."""


@dataclass(frozen=True)
class TopicSpec:
    """One topic as the pipeline needs it."""

    name: str  # without the prefix
    record: type[records.Record]
    retention_ms: int  # −1: kept for ever (compacted)
    partitioned: bool = True  # has the pipeline's partition count; otherwise one partition
    config: dict[str, str] = field(default_factory=dict)

    def full_name(self, settings: Settings) -> str:
        """Return the topic's name on the broker.

        >>> TICKS.full_name(Settings(topic_prefix="demo"))
        'demo.ticks'
        """
        return f"{settings.topic_prefix}.{self.name}"

    def partitions(self, settings: Settings) -> int:
        """Return its partition count."""
        return settings.partitions if self.partitioned else 1

    def broker_config(self, settings: Settings) -> dict[str, str]:
        """Return its configuration on the broker."""
        return {
            "retention.ms": str(self.retention_ms),
            "max.message.bytes": str(MAX_MESSAGE_BYTES),
            # By default the broker refuses messages of a writer whose clock is an hour ahead.
            "message.timestamp.type": "LogAppendTime",
            "min.insync.replicas": str(settings.min_insync_replicas),
            **self.config,
        }


TICKS = TopicSpec("ticks", records.TickBatch, 3 * DAY_MS)
BACKFILL = TopicSpec("backfill", records.TickBatch, 7 * DAY_MS)
GAPS = TopicSpec("gaps", records.Gap, 30 * DAY_MS, config={"cleanup.policy": "compact,delete"})
FEATURES = TopicSpec("features", records.FeatureBatch, 7 * DAY_MS)
PREDICTIONS = TopicSpec("predictions", records.PredictionBatch, 7 * DAY_MS)
OUTCOMES = TopicSpec("outcomes", records.OutcomeBatch, 7 * DAY_MS)
MODELS = TopicSpec("models", records.ModelRelease, -1, partitioned=False, config={"cleanup.policy": "compact"})
STATUS = TopicSpec("status", records.Heartbeat, DAY_MS, partitioned=False)
DEAD = TopicSpec("dead", records.DeadLetter, 7 * DAY_MS, partitioned=False)

ALL = (TICKS, BACKFILL, GAPS, FEATURES, PREDICTIONS, OUTCOMES, MODELS, STATUS, DEAD)


@dataclass(frozen=True)
class Changelog(TopicSpec):
    """The changelog of one table, named as Faust names it; small segments, so that it compacts quickly.

    Left to the broker's defaults it never compacts: 76 s to recover on an empty volume instead of 1.6 s.
    """

    record: type[records.Record] = records.Record
    retention_ms: int = -1
    config: dict[str, str] = field(
        default_factory=lambda: {
            "cleanup.policy": "compact",
            "segment.bytes": str(4 * 2**20),
            "segment.ms": "60000",
            "max.compaction.lag.ms": "60000",
            "min.cleanable.dirty.ratio": "0.05",
        }
    )

    def full_name(self, settings: Settings) -> str:
        """Return the topic's name on the broker."""
        return f"{settings.app_id}-{self.name}-changelog"


CHANGELOGS = tuple(Changelog(name) for name in ("windows", "pending", "scores"))


def partition_of(symbol: str, partitions: int) -> int:
    """Return the partition of a symbol: Kafka's own murmur2 hash of its name.

    >>> partition_of("BTCUSDT", 8)
    2
    """
    hashed: int = murmur2(symbol.encode())
    return (hashed & 0x7FFFFFFF) % partitions


def by_partition(symbols: tuple[str, ...], partitions: int) -> dict[int, tuple[str, ...]]:
    """Return the symbols of each partition that has any, in alphabetical order."""
    found = {symbol: partition_of(symbol, partitions) for symbol in sorted(symbols)}
    return {one: tuple(symbol for symbol in found if found[symbol] == one) for one in sorted(set(found.values()))}


async def partition_count(settings: Settings, spec: TopicSpec) -> int | None:
    """Return how many partitions a topic has on the brokers, None where there is no such topic; raises TopicError."""
    admin = AIOKafkaAdminClient(**client_options(settings))
    try:
        await admin.start()
        (described,) = await admin.describe_topics([spec.full_name(settings)])
    except (KafkaError, OSError) as error:
        raise TopicError(f"Kafka at {settings.bootstrap}: {error_reason(error)}") from error
    finally:
        await admin.close()
    return None if described["error_code"] else len(described["partitions"])


async def ensure(settings: Settings, specs: tuple[TopicSpec, ...] = ALL) -> None:
    """Create the topics that are missing and check the others; every process may call it at once.

    Raises:
        KafkaUnavailableError: the brokers do not answer, or refuse.
        TopicError: a topic has another partition count.

    """
    admin = AIOKafkaAdminClient(**client_options(settings))
    try:
        await admin.start()
        await _create(admin, settings, specs)
        await _check(admin, settings, specs)
        await _configure(admin, settings, specs)
    except (KafkaError, OSError) as error:
        raise KafkaUnavailableError(
            f"Kafka at {settings.bootstrap}: {error or type(error).__name__}. "
            "Is it running? Set BTC_KAFKA_URL, or start the embedded one with `btc up`."
        ) from error
    finally:
        await admin.close()


async def _create(admin: AIOKafkaAdminClient, settings: Settings, specs: tuple[TopicSpec, ...]) -> None:
    have = set(await admin.list_topics())
    missing = [spec for spec in specs if spec.full_name(settings) not in have]
    if not missing:
        return
    answer = await admin.create_topics([_new(spec, settings) for spec in missing])
    for name, code, *_ in answer.topic_errors:
        error = for_code(code)
        if code and error is not TopicAlreadyExistsError:
            # InvalidReplicationFactorError: the other brokers are still starting
            raise KafkaUnavailableError(f"topic {name} at {settings.bootstrap} cannot be created: {error.__name__}")


def _new(spec: TopicSpec, settings: Settings) -> NewTopic:
    return NewTopic(
        spec.full_name(settings),
        spec.partitions(settings),
        settings.replication_factor,
        topic_configs=spec.broker_config(settings),
    )


async def _check(admin: AIOKafkaAdminClient, settings: Settings, specs: tuple[TopicSpec, ...]) -> None:
    wanted = {spec.full_name(settings): spec.partitions(settings) for spec in specs}
    for _attempt in range(50):
        described = await admin.describe_topics(list(wanted))
        found = {topic["topic"]: len(topic["partitions"]) for topic in described if not topic["error_code"]}
        if len(found) == len(wanted):
            break
        await asyncio.sleep(0.1)
    else:
        raise KafkaUnavailableError(f"topics {sorted(set(wanted) - set(found))} do not appear at {settings.bootstrap}")
    growing = {name: NewPartitions(wanted[name]) for name in found if _is_auto_created(found[name], wanted[name])}
    if growing:
        await admin.create_partitions(growing)
    for name, count in found.items():
        if count != wanted[name] and name not in growing:
            raise TopicError(
                f"topic {name} at {settings.bootstrap} has {count} partitions, the pipeline needs {wanted[name]}: "
                f"set BTC_PARTITIONS={count}, or use another BTC_TOPIC_PREFIX"
            )


def _is_auto_created(found: int, wanted: int) -> bool:
    # One partition where more are wanted: a broker that creates topics by itself was faster.
    return found == 1 < wanted


async def _configure(admin: AIOKafkaAdminClient, settings: Settings, specs: tuple[TopicSpec, ...]) -> None:
    await admin.alter_configs(
        [
            ConfigResource(ConfigResourceType.TOPIC, spec.full_name(settings), spec.broker_config(settings))
            for spec in specs
        ]
    )
