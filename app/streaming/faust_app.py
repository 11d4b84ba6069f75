"""The Faust app and its topics, whose messages are msgspec structs.

Agents and tables are declared on `app` elsewhere; `app/worker.py` wires them together.
"""

import sys
from typing import Any, Protocol

import faust
import msgspec
from faust.exceptions import ValueDecodeError
from faust.types import Message

from app import logs
from app.kafka import topics
from app.kafka.clients import COMPRESSION, MAX_MESSAGE_BYTES, tls
from app.logs import logger
from app.records import Record
from app.retry import error_reason
from app.settings import Settings, settings
from app.streaming import faust_fixes
from app.streaming.dead_letters import publish_dead_letter
from app.streaming.publisher import encode

log = logger("streaming")


# Only changelogs go through Faust's producer. It is flushed before offsets are committed: nothing is lost by waiting.
CHANGELOG_LINGER_S = 0.2


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


class DeadLetterTopic(faust.Topic):
    """A topic whose undecodable messages go to the dead letters instead of into the agent."""

    async def on_value_decode_error(self, exc: Exception, message: Message) -> None:
        """Publish a dead letter, then acknowledge the message."""
        await publish_dead_letter(message, str(exc))
        faust_fixes.acknowledge(self.app, message)

    async def on_key_decode_error(self, exc: Exception, message: Message) -> None:
        """Publish a dead letter, then acknowledge the message."""
        await publish_dead_letter(message, f"key: {exc}")
        faust_fixes.acknowledge(self.app, message)


def _credentials(of: Settings) -> Any:
    if of.kafka_security.startswith("SASL"):
        return faust.SASLCredentials(
            mechanism=of.kafka_mechanism,
            username=of.kafka_username,
            password=of.kafka_password.get_secret_value(),
            ssl_context=tls(of),
        )
    return faust.SSLCredentials(tls(of)) if of.kafka_security == "SSL" else None


class Lifecycle(Protocol):
    """What the worker does around the stream; `app/worker.py` sets it."""

    async def prepare(self) -> None:
        """Do all that must be done before the worker joins its group."""

    async def wait_for_events(self) -> None:
        """Wait for the events that agents are processing."""

    async def close(self) -> None:
        """Stop what runs beside the stream."""


class ForecastApp(faust_fixes.FixedApp):
    """A Faust app that is prepared before it joins its group, and closes its services after it left."""

    lifecycle: Lifecycle | None = None

    def _wired(self) -> Lifecycle:
        if self.lifecycle is None:
            raise RuntimeError("the app has no lifecycle: run it as `faust -A app worker`, which imports app/worker.py")
        return self.lifecycle

    async def on_first_start(self) -> None:
        """Prepare, once in this process; what is wrong is said in one line before Faust's own words."""
        try:
            await self._wired().prepare()
        except Exception as error:
            logs.report_end(settings(), "worker", error_reason(error), sys.__stderr__)
            raise
        await super().on_first_start()

    async def wait_for_events(self) -> None:
        """Wait for the events that agents are processing: partitions (rebalance) or tables (stop) go next."""
        await self._wired().wait_for_events()

    async def on_shutdown(self) -> None:
        """Close the services, after everything else stopped."""
        await super().on_shutdown()
        await self._wired().close()


def create_app(of: Settings) -> ForecastApp:
    """Return the Faust app the settings describe, with nothing declared on it yet."""
    only_json = of.log_format == "ecs"
    if only_json:
        faust_fixes.silence_command()
    return ForecastApp(
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
        producer_linger=CHANGELOG_LINGER_S,
        producer_compression_type=COMPRESSION,
        producer_max_request_size=MAX_MESSAGE_BYTES,
        store="rocksdb://?driver=rocksdict",
        datadir=of.data_dir / "rocksdb" / of.instance,
        topic_partitions=of.partitions,
        topic_replication_factor=of.replication_factor,
        topic_disable_leader=True,
        topic_allow_declare=False,  # app/kafka/topics.py makes them; Faust's own way hangs on a second call
        table_standby_replicas=0,  # a changelog is read in seconds; standbys would double disk and race with takeovers
        stream_wait_empty=False,
        web_enabled=False,
        Topic=DeadLetterTopic,
        TableManager=faust_fixes.FixedTableManager,
        Worker=faust_fixes.SilentWorker if only_json else faust_fixes.FixedWorker,
    )


app = create_app(settings())


for _spec in topics.ALL:
    faust_fixes.register_record(f"{_spec.full_name(settings())}.{_spec.record.__name__}", _spec.record)


def topic(spec: topics.TopicSpec) -> faust.TopicT:
    """Return the Faust topic of a spec."""
    return app.topic(spec.full_name(settings()), schema=StructSchema(spec.record))
