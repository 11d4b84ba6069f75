"""The wire: what old readers and old messages survive, and that real records are what the schemas say."""

import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import jsonschema  # type: ignore[import-untyped]
import msgspec
import psutil
import pytest

from app import records, releases
from app.domain.artifact import unpack
from app.domain.baselines import naive
from app.domain.features import SCHEMA
from app.domain.forecast import LEVELS
from app.domain.messages import feature_batch, outcome_batch
from app.domain.predictions import ModelEntry, ModelLineup, predict
from app.domain.settlement import Settlements
from app.domain.tick_batcher import TickBatcher
from app.domain.ticks import Quote, Trade
from app.domain.windows import SymbolWindows
from app.kafka import topics
from app.records import DeadLetter, Record
from app.reference import __main__ as reference
from app.reference import wire
from app.reference.compatibility import breaks
from app.service.heartbeat import ProcessStatus, measure

ROOT = Path(__file__).resolve().parents[2]
HORIZONS_S = (5, 10, 30, 60, 300)
START = 1_780_000_000


class Inner(Record, frozen=True, kw_only=True):
    """A part of the record before."""

    id: list[int] = []  # noqa: RUF012 – msgspec copies it


class Before(Record, frozen=True, kw_only=True):
    """A record as committed."""

    second: int
    kind: Literal["naive", "ridge"]
    symbols: dict[str, Inner]
    inner: Inner = Inner()
    note: str = ""


def changed(**fields: Any) -> list[str]:
    """Return what breaks when fields of `Before` are given another type, (type, default), or None to remove them."""
    hints = inspect.get_annotations(Before)
    kept: dict[str, Any] = {name: (hints[name],) for name in hints}
    kept["inner"], kept["note"] = (Inner, Inner()), (str, "")
    kept |= {name: each if isinstance(each, tuple) else (each,) for name, each in fields.items()}
    spec = [(name, *each) for name, each in kept.items() if each != (None,)]
    after = msgspec.defstruct("After", spec, kw_only=True)
    return breaks(msgspec.json.schema(Before), msgspec.json.schema(after))


def test_the_records_are_compatible_with_the_committed_schemas() -> None:
    """Whoever wrote or reads by the committed schemas understands the records of this checkout."""
    assert reference.broken(ROOT) == []


def test_an_unchanged_record_breaks_nothing() -> None:
    """Another class of the same shape is the same on the wire."""
    assert changed() == []


@pytest.mark.parametrize(
    "fields",
    [
        {"venue": (str, "binance")},
        {"kind": Literal["naive", "ridge", "tensorflow"]},
        {"second": (int, 0)},
        {"more": (dict[str, Inner], {})},
    ],
    ids=["a field with a default", "a value more", "a default for a field that had none", "a part with a default"],
)
def test_what_may_be_added_breaks_nothing(fields: dict[str, Any]) -> None:
    """New fields with a default, new values of an enumeration, new defaults."""
    assert changed(**fields) == []


def test_a_part_may_grow_like_a_record() -> None:
    """A field added to a nested record, with a default, also shows in the default of the field that holds it."""
    grown = msgspec.defstruct("Inner", [("id", list[int], []), ("venue", list[str], [])], frozen=True)
    assert changed(inner=(grown, grown()), symbols=dict[str, grown]) == []  # type: ignore[valid-type]


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"note": None}, "note: the field was removed or renamed; old readers need it"),
        ({"note": None, "remark": (str, "")}, "note: the field was removed or renamed; old readers need it"),
        ({"venue": str}, "venue: a new field needs a default; old messages lack it"),
        ({"note": str}, "note: the field lost its default; old messages may lack it"),
        ({"second": float}, 'second: type was "integer", is "number"'),
        ({"second": int | None}, 'second: type was "integer", is None'),
        ({"kind": Literal["naive"]}, "kind: the enumeration lost ['ridge']"),
        ({"note": (Literal["", "late"], "")}, "note: became an enumeration"),
        ({"note": (str, "none")}, 'note: default was "", is "none"'),
        ({"symbols": dict[str, int]}, "symbols[].id: the field was removed or renamed; old readers need it"),
        ({"symbols": list[Inner]}, 'symbols: type was "object", is "array"'),
    ],
)
def test_what_breaks_is_refused_by_name(fields: dict[str, Any], line: str) -> None:
    """A field removed, renamed, retyped, new without a default, a value lost: each is named with its reason."""
    assert line in changed(**fields)


def test_a_change_inside_a_part_is_found() -> None:
    """Nested records are compared field by field too."""
    other = msgspec.defstruct("Inner", [("id", list[str], [])], frozen=True)
    found = changed(symbols=dict[str, other], inner=(other, other()))  # type: ignore[valid-type]
    assert found == ['symbols[].id[]: type was "integer", is "string"', 'inner.id[]: type was "integer", is "string"']


def walked() -> Iterator[Record]:
    """Yield a record of every topic as the code makes it: ten seconds of one symbol, walked through the domain."""
    cutter, windows, settlements = TickBatcher(2, ("BTCUSDT",), START), SymbolWindows(), Settlements(HORIZONS_S, LEVELS)
    (release,) = releases.packaged()
    runner = ModelEntry("naive", "naive", "baseline", naive(unpack(release.artifact).naive, HORIZONS_S))
    line_up = ModelLineup((runner,), HORIZONS_S, ("fallback",))
    for second in range(START, START + 10):
        price = 60_000.0 + second % 3
        cutter.add(Quote("BTCUSDT", second, second * 1000, price - 0.5, 2.0, price + 0.5, 3.0))
        cutter.add(Trade("BTCUSDT", second - START, second * 1000 + 250, price, 0.1, buyer_maker=True))
        ticks = cutter.close(closed_ms=second * 1000 + 1050.0, generation=1)
        windows.update(ticks)
        rows = feature_batch(ticks, windows.feature_rows(), second * 1000 + 1054.0)
        forecasts = predict(rows, line_up, None, second * 1000 + 1060.0)
        yield from (ticks, rows, forecasts)
        yield outcome_batch(forecasts, *settlements.settle(forecasts), second * 1000 + 1064.0)
    yield release
    yield measure("worker", "0", ProcessStatus(progress={"lag": 0.0}), psutil.Process())
    yield DeadLetter(topic="btc.ticks", partition=2, offset=7, reason="truncated", at_ms=1.0, by="worker", payload=b"{")


@pytest.fixture(scope="module")
def encoded() -> dict[str, list[Any]]:
    """Return record's name → what is on the wire, as a reader in another language sees it."""
    found: dict[str, list[Any]] = {}
    for record in walked():
        found.setdefault(type(record).__name__, []).append(json.loads(msgspec.json.encode(record)))
    assert found["OutcomeBatch"][-1]["settled"], "the walk must settle something"
    assert found["FeatureBatch"][0]["feature_schema"] == SCHEMA
    return found


@pytest.mark.parametrize("spec", topics.ALL, ids=lambda spec: spec.name)
def test_real_records_are_what_the_committed_schema_says(spec: topics.TopicSpec, encoded: dict[str, list[Any]]) -> None:
    """Every encoded record passes the schema, and the schema notices one that lost its first field."""
    schema = json.loads((ROOT / wire.FOLDER / f"{spec.name}.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    for record in encoded[spec.record.__name__]:
        assert [error.message for error in validator.iter_errors(record)] == []
        first = next(iter(record))
        assert not validator.is_valid({name: value for name, value in record.items() if name != first})


def test_asyncapi_describes_every_topic_and_points_nowhere_empty() -> None:
    """Each topic has its channel, its record and its ways; every reference leads somewhere."""
    document = json.loads((ROOT / wire.ASYNCAPI).read_text(encoding="utf-8"))
    assert document["asyncapi"] == "3.0.0"
    assert [channel["address"] for channel in document["channels"].values()] == [
        "{prefix}." + spec.name for spec in topics.ALL
    ]
    for place in _references(document):
        found = document
        for step in place.removeprefix("#/").split("/"):
            found = found[step]
    schemas = document["components"]["schemas"]
    assert {spec.record.__name__ for spec in topics.ALL} <= schemas.keys()


def test_the_comment_of_a_field_is_its_description() -> None:
    """What `records.py` says beside a field, inherited ones included, the schema says too."""
    properties = wire.schemas()[f"{wire.FOLDER}/ticks.json"]["$defs"]["TickBatch"]["properties"]
    assert properties["second"]["description"] == "exchange time, epoch seconds: the batch covers [second, second + 1)"
    assert properties["late"]["description"].startswith("the whole second was filled after the fact")


def test_no_record_forgets_its_documentation() -> None:
    """Every record on the wire says what it is."""
    structs = [each for each in vars(records).values() if inspect.isclass(each) and issubclass(each, Record)]
    assert [each.__name__ for each in structs if not each.__doc__] == []


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        yield from (value for name, value in node.items() if name == "$ref")
        yield from (place for value in node.values() for place in _references(value))
    elif isinstance(node, list):
        yield from (place for value in node for place in _references(value))
