"""The bare Faust app and its codec. What enters: settings; what leaves: `app`, topics that set bad messages aside.

Agents, tables and services are declared on `app` elsewhere; `app/worker.py` puts them together.
"""

import sys
import types
from collections.abc import Awaitable, Callable
from typing import Any

import faust
import msgspec
from faust.exceptions import ValueDecodeError
from faust.types import Message

from app import metrics, topics
from app.clock import wall_ms
from app.kafka import COMPRESSION, MAX_MESSAGE_BYTES, tls
from app.logs import logger
from app.persist import persistently
from app.records import DeadLetter, Record
from app.recovery import StillTableManager, refetch_dropped
from app.settings import Settings, settings

log = logger("stream")
encode = msgspec.json.Encoder().encode
DEAD_PAYLOAD_BYTES = 4096
PREPARATIONS: list[Callable[[], Awaitable[None]]] = []
LAST_EVENTS: list[Callable[[], Awaitable[None]]] = []
DEPARTURES: list[Callable[[], Awaitable[None]]] = []


class StructSchema(faust.Schema):
    """One msgspec struct on both sides of a topic, as JSON."""

    def __init__(self, record: type[Record]) -> None:
        super().__init__(key_serializer="raw", value_serializer="raw", allow_empty=False)
        self._decode = msgspec.json.Decoder(record).decode

    def loads_value(self, app: Any, message: Message, **_options: Any) -> Any:
        """Return the struct in a message; raise ValueDecodeError with the reason where it does not fit."""
        if not message.value:
            raise ValueDecodeError("empty message")
        try:
            return self._decode(message.value)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise ValueDecodeError(str(error)) from error

    def dumps_value(self, app: Any, value: Any, *, headers: Any, **_options: Any) -> Any:
        """Return a struct as JSON bytes."""
        return encode(value), headers


class SettingAsideTopic(faust.Topic):
    """A topic whose undecodable messages go to the dead letters instead of into the agent."""

    async def on_value_decode_error(self, exc: Exception, message: Message) -> None:
        """Set the message aside, then acknowledge it."""
        await set_aside(message, str(exc))
        acknowledge(message)

    async def on_key_decode_error(self, exc: Exception, message: Message) -> None:
        """Set the message aside, then acknowledge it."""
        await set_aside(message, f"key: {exc}")
        acknowledge(message)


def _credentials(of: Settings) -> Any:
    if of.kafka_security.startswith("SASL"):
        return faust.SASLCredentials(
            mechanism=of.kafka_mechanism,
            username=of.kafka_username,
            password=of.kafka_password.get_secret_value(),
            ssl_context=tls(of),
        )
    return faust.SSLCredentials(tls(of)) if of.kafka_security == "SSL" else None


class Walk(faust.App):
    """A Faust app that is prepared before it joins its group, finishes what it has in hand, departs after it left."""

    async def on_first_start(self) -> None:
        """Prepare, once in this process; what is wrong is said in one line before Faust's own words."""
        try:
            for prepare in PREPARATIONS:
                await prepare()
        except Exception as error:
            print(f"btc worker: {error or type(error).__name__}", file=sys.__stderr__, flush=True)
            raise
        await super().on_first_start()

    def _new_consumer(self) -> Any:
        """Return a consumer that acknowledges only what an agent took.

        In a rebalance Faust skips the messages it had read ahead, and acknowledges them all the same: committed by the
        old owner, they are lost to the new one.
        """
        consumer = super()._new_consumer()
        ack = consumer.ack
        consumer.ack = lambda message: bool(message.tracked) and ack(message)
        refetch_dropped(consumer)
        return consumer

    async def _consumer_wait_empty(self, consumer: Any, logger: Any) -> None:
        """Finish the events in hand: the flow has stopped, partitions (rebalance) or tables (stop) go next.

        Faust's own `stream_wait_empty` waits for messages that were read ahead and thrown away, so for ever.
        """
        for finish in LAST_EVENTS:
            await finish()

    async def on_shutdown(self) -> None:
        """Depart, after everything stopped."""
        await super().on_shutdown()
        for depart in DEPARTURES:
            await depart()


def bare_app(of: Settings) -> faust.App:
    """Return the Faust app the settings describe, with nothing declared on it yet."""
    return Walk(
        of.app_id,
        broker=[f"kafka://{broker}" for broker in of.bootstrap.split(",")],
        broker_credentials=_credentials(of),
        broker_session_timeout=10.0,
        broker_heartbeat_interval=3.0,
        broker_rebalance_timeout=20.0,
        consumer_group_instance_id=f"{of.app_id}-{of.instance}",
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=MAX_MESSAGE_BYTES,
        producer_acks=-1,
        producer_linger=0.0,
        producer_compression_type=COMPRESSION,
        producer_max_request_size=MAX_MESSAGE_BYTES,
        store="rocksdb://?driver=rocksdict",
        datadir=of.data_dir / "rocksdb" / of.instance,
        topic_partitions=of.partitions,
        topic_replication_factor=of.replication_factor,
        topic_disable_leader=True,
        topic_allow_declare=False,  # app/topics.py makes and checks all of them; Faust's own way hangs on a second call
        table_standby_replicas=0,  # a changelog is read in seconds; standbys would double disk and race with takeovers
        stream_wait_empty=False,
        web_enabled=False,
        Topic=SettingAsideTopic,
        TableManager=StillTableManager,
    )


app = bare_app(settings())


def _show_in_models(corridor: topics.Corridor) -> None:
    """Let `faust -A app models` and `faust -A app model NAME` print a record and its fields."""
    fields = {field.name: str for field in msgspec.structs.fields(corridor.record)}
    body = {"__doc__": corridor.record.__doc__, "__annotations__": fields, "__module__": "app.records"}
    name = f"{corridor.full(settings())}.{corridor.record.__name__}"
    types.new_class(corridor.record.__name__, (faust.Record,), {"namespace": name}, lambda space: space.update(body))


for _corridor in topics.ALL:
    _show_in_models(_corridor)


def topic(corridor: topics.Corridor) -> faust.TopicT:
    """Return a corridor as a Faust topic."""
    return app.topic(corridor.full(settings()), schema=StructSchema(corridor.record))


async def publish(corridor: topics.Corridor, record: Any, partition: int = 0) -> None:
    """Send one record and wait until the brokers have it; a failure is logged and tried again until it works."""
    key, value = str(partition).encode(), encode(record)
    name = corridor.full(settings())

    async def send() -> None:
        await (await app.send(name, key=key, value=value, partition=partition, key_serializer="raw",
                              value_serializer="raw"))  # fmt: skip

    await persistently(send, f"send to {name}/{partition}")


async def store(table: faust.Table, key: bytes, value: bytes) -> None:
    """Write one table entry; a full disk is logged and tried again until there is room."""

    async def write() -> None:
        table[key] = value

    await persistently(write, f"write table {table.name}")


def acknowledge(message: Message) -> None:
    """Acknowledge a message that no agent took."""
    message.tracked = True
    app.consumer.ack(message)


async def set_aside(message: Message, reason: str) -> None:
    """Publish a message nobody could use as a dead letter, with its place and reason."""
    payload = message.value or b""
    log.warning("message set aside", topic=message.topic, partition=message.partition, offset=message.offset,
                reason=reason)  # fmt: skip
    metrics.DEAD_LETTERS.labels(message.topic).inc()
    letter = DeadLetter(
        topic=message.topic, partition=message.partition, offset=message.offset, reason=reason, at_ms=wall_ms(),
        by="worker", payload=payload[:DEAD_PAYLOAD_BYTES], size_bytes=len(payload),
    )  # fmt: skip
    await publish(topics.DEAD, letter)
