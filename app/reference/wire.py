"""The wire format in `docs/wire`: a JSON Schema per topic, and an AsyncAPI document of all topics."""

import inspect
from functools import lru_cache
from typing import Any

import msgspec

from app import records
from app.kafka import topics
from app.reference import comments
from app.settings import Settings

FOLDER = "docs/wire/schemas"
ASYNCAPI = "docs/wire/asyncapi.json"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
PREFIX = "Names the source (`BTC_TOPIC_PREFIX`): ids, times and state of different sources cannot be compared."
ABOUT = """\
One message is what one partition's symbols did in one second of exchange time. Payloads are JSON, compressed with zstd
on the way. The topics of the pipeline (ticks, features, predictions, outcomes) have the same number of partitions; a
record keeps its partition from topic to topic, and its key is the partition number. Fields are only ever added, each
with a default: readers ignore unknown fields. If a second occurs twice, the first record counts."""
# topic → its writers and its readers; a topic of the pipeline has one writer
WRITERS_AND_READERS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "ticks": (("collector",), ("predictions", "archive")),
    "backfill": (("collector",), ("archive",)),
    "gaps": (("collector",), ("board", "archive")),
    "features": (("predictions",), ("board", "trainer", "archive")),
    "predictions": (("predictions",), ("outcomes", "board", "archive")),
    "outcomes": (("outcomes",), ("board", "trainer", "archive")),
    "models": (("trainer", "models"), ("worker", "board", "trainer")),
    "status": (("heartbeat",), ("board",)),
    "dead": (("worker",), ("board",)),
}


def schemas() -> dict[str, dict[str, Any]]:
    """Return path → JSON Schema of each topic's record."""
    return {f"{FOLDER}/{spec.name}.json": _schema(spec) for spec in topics.ALL}


def _schema(spec: topics.TopicSpec) -> dict[str, Any]:
    schema = msgspec.json.schema(spec.record)
    _describe_fields(schema["$defs"])
    return {"$schema": DIALECT, "title": spec.record.__name__, **schema}


@lru_cache(maxsize=1)
def _comments() -> dict[tuple[str, str], str]:
    return comments.field_comments(inspect.getsource(records))


def _describe_fields(schemas: dict[str, Any]) -> None:
    """Describe every field by its comment in `records.py`, inherited fields included."""
    for record, schema in schemas.items():
        classes = [parent.__name__ for parent in getattr(records, record).__mro__]
        for field, field_schema in schema["properties"].items():
            descriptions = [_comments()[name, field] for name in classes if (name, field) in _comments()]
            if descriptions:
                field_schema["description"] = descriptions[0]


def asyncapi() -> dict[str, Any]:
    """Return the AsyncAPI 3 document: channels are topics, operations name senders and receivers."""
    _, components = msgspec.json.schema_components(
        [spec.record for spec in topics.ALL], ref_template="#/components/schemas/{name}"
    )
    _describe_fields(components)
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Bitcoin forecasts: the topics", "version": "1.0.0", "description": ABOUT,
                 "license": {"name": "Apache-2.0"}},
        "defaultContentType": "application/json",
        "channels": {spec.name: _channel(spec) for spec in topics.ALL},
        "operations": {name: one for spec in topics.ALL for name, one in _operations(spec.name).items()},
        "components": {"messages": {spec.name: _message(spec) for spec in topics.ALL}, "schemas": components},
    }  # fmt: skip


def _channel(spec: topics.TopicSpec) -> dict[str, Any]:
    settings = Settings.model_construct()
    policy = spec.config.get("cleanup.policy", "delete")
    kept = {"cleanup.policy": [policy], "retention.ms": spec.retention_ms}
    return {
        "address": "{prefix}." + spec.name,
        "description": _first_line(spec),
        "parameters": {"prefix": {"default": settings.topic_prefix, "description": PREFIX}},
        "messages": {spec.name: {"$ref": f"#/components/messages/{spec.name}"}},
        "bindings": {"kafka": {"partitions": spec.partitions(settings), "topicConfiguration": kept}},
    }


def _operations(topic: str) -> dict[str, Any]:
    writers, readers = WRITERS_AND_READERS[topic]
    roles = [(name, "send") for name in writers] + [(name, "receive") for name in readers]
    return {
        f"{name}.{action}.{topic}": {"action": action, "channel": {"$ref": f"#/channels/{topic}"}}
        for name, action in roles
    }


def _message(spec: topics.TopicSpec) -> dict[str, Any]:
    name = spec.record.__name__
    return {"name": name, "summary": _first_line(spec), "payload": {"$ref": f"#/components/schemas/{name}"}}


def _first_line(spec: topics.TopicSpec) -> str:
    return inspect.cleandoc(spec.record.__doc__ or "").splitlines()[0]
