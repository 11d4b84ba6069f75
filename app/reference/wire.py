"""The wire. What enters: `records.py` and `topics.py`; what leaves: a JSON Schema per topic, and AsyncAPI."""

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
PREFIX = "Says the source (`BTC_TOPIC_PREFIX`): ids, times and state of one source mean nothing to another."
ABOUT = """\
One message is what one partition's symbols did in one second of exchange time. Payloads are JSON, compressed with zstd
on the way. Topics of the walk (ticks, features, predictions, outcomes) have one partition count and keep the partition
number; their key is that number. Fields are only ever added, each with a default: readers ignore what they do not
know. A second that is there twice means the same: the first one counts."""
# topic → who writes it, who reads it; a topic of the walk has one writer
WAYS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "ticks": (("collector",), ("features", "archive")),
    "features": (("features",), ("predictions", "board", "trainer", "archive")),
    "predictions": (("predictions",), ("outcomes", "board", "archive")),
    "outcomes": (("outcomes",), ("board", "trainer", "archive", "inspection")),
    "models": (("trainer", "models"), ("ensemble", "board", "trainer", "inspection")),
    "status": (("heartbeat",), ("board", "inspection")),
    "dead": (("worker",), ("board", "inspection")),
}


def schemas() -> dict[str, dict[str, Any]]:
    """Return path → JSON Schema of each topic's record."""
    return {f"{FOLDER}/{spec.name}.json": _schema(spec) for spec in topics.ALL}


def _schema(spec: topics.TopicSpec) -> dict[str, Any]:
    found = msgspec.json.schema(spec.record)
    _explain(found["$defs"])
    return {"$schema": DIALECT, "title": spec.record.__name__, **found}


@lru_cache(maxsize=1)
def _told() -> dict[tuple[str, str], str]:
    return comments.of_fields(inspect.getsource(records))


def _explain(shapes: dict[str, Any]) -> None:
    """Give every field the comment it has in `records.py`, or in the class it comes from."""
    for name, shape in shapes.items():
        lines = [parent.__name__ for parent in getattr(records, name).__mro__]
        for field, schema in shape["properties"].items():
            told = [_told()[line, field] for line in lines if (line, field) in _told()]
            if told:
                schema["description"] = told[0]


def asyncapi() -> dict[str, Any]:
    """Return the AsyncAPI 3 document: channels are topics, operations say who sends and who receives."""
    _, shapes = msgspec.json.schema_components(
        [spec.record for spec in topics.ALL], ref_template="#/components/schemas/{name}"
    )
    _explain(shapes)
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Bitcoin forecasts: the topics", "version": "1.0.0", "description": ABOUT,
                 "license": {"name": "Apache-2.0"}},
        "defaultContentType": "application/json",
        "channels": {spec.name: _channel(spec) for spec in topics.ALL},
        "operations": {name: one for spec in topics.ALL for name, one in _operations(spec.name).items()},
        "components": {"messages": {spec.name: _message(spec) for spec in topics.ALL}, "schemas": shapes},
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
    writers, readers = WAYS[topic]
    ways = [(name, "send") for name in writers] + [(name, "receive") for name in readers]
    return {
        f"{name}.{action}.{topic}": {"action": action, "channel": {"$ref": f"#/channels/{topic}"}}
        for name, action in ways
    }


def _message(spec: topics.TopicSpec) -> dict[str, Any]:
    name = spec.record.__name__
    return {"name": name, "summary": _first_line(spec), "payload": {"$ref": f"#/components/schemas/{name}"}}


def _first_line(spec: topics.TopicSpec) -> str:
    return inspect.cleandoc(spec.record.__doc__ or "").splitlines()[0]
