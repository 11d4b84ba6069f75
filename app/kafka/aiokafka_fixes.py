"""Everything this project relies on inside aiokafka, each item with what breaks without it.

`tests/kafka/test_aiokafka_fixes.py` fails when the library's internals change.
"""
# ruff: noqa: SLF001 – private names of aiokafka are used here and nowhere else

from collections.abc import Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.conn import AIOKafkaConnection, create_conn


async def stop_at_once(producer: AIOKafkaProducer) -> None:
    """End a producer without waiting for brokers; what is not sent yet is never sent.

    `stop()` waits for brokers that are down, without an end. Without this a producer that was given up sends old
    batches after another replica has gone on. Upstream: aio-libs/aiokafka#1101 (open).
    """
    await producer._sender.close()
    await producer.client.close()


def group_generation(consumer: AIOKafkaConsumer) -> int:
    """Return the generation of the consumer's group; it rises with each rebalance.

    Without it two replicas can write batches of the same generation, and readers cannot refuse the older one's.
    aiokafka has no public way and no issue was found; the Java client has one (apache/kafka#7906).
    """
    return int(consumer._coordinator.generation)


async def is_member(consumer: AIOKafkaConsumer) -> bool:
    """Ask the group's coordinator whether the consumer is a member of the current generation; raises KafkaError.

    Without it a process that was suspended takes its partitions for its own until its next heartbeat. aiokafka has no
    public way but a commit of offsets; the Java client neither.
    """
    return bool(await consumer._coordinator._do_heartbeat())


async def leave_group(consumer: AIOKafkaConsumer) -> None:
    """Stop a static member and leave its group at once.

    `stop()` lets a static member stay until its session ends. Without this an orderly shutdown leaves partitions
    unserved for 10 s. aiokafka has no public way; static membership is aio-libs/aiokafka#680 (open). The Java client
    has an option (apache/kafka#17614).
    """
    consumer._coordinator._group_instance_id = None
    await consumer.stop()


async def connect_to_broker(
    host: str, port: int, options: Mapping[str, Any], request_timeout_s: float
) -> AIOKafkaConnection:
    """Return a connection to one broker, with the options of `clients.client_options`; raises KafkaError, OSError.

    Every public client looks for the other brokers and asks any of them. Without this a broker that refuses clients
    looks well as long as another one answers. aiokafka has no public way and no issue was found.
    """
    security = {name: value for name, value in options.items() if name != "bootstrap_servers"}
    return await create_conn(host, port, request_timeout_ms=int(1000 * request_timeout_s), **security)
