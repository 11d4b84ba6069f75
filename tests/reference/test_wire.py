"""The wire format: real records validate against the committed schemas, and AsyncAPI describes every topic."""

import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import psutil
import pytest

from app import records, releases
from app.api.examples import gaps
from app.domain.artifact import unpack
from app.domain.baselines import naive
from app.domain.batch_builders import feature_batch, outcome_batch
from app.domain.features import SCHEMA
from app.domain.forecast import LEVELS
from app.domain.predictions import ModelEntry, ModelLineup, predict
from app.domain.settlement import Settlements
from app.domain.tick_batcher import TickBatcher
from app.domain.ticks import Quote, Trade
from app.domain.windows import SymbolWindows
from app.kafka import topics
from app.records import DeadLetter, Record
from app.reference import wire
from app.service.heartbeat import ProcessStatus, measure
from app.streaming.publisher import encode

ROOT = Path(__file__).resolve().parents[2]
HORIZONS_S = (5, 10, 30, 60, 300)
START = 1_780_000_000


def records_of_ten_seconds() -> Iterator[Record]:
    """Yield records of every topic as the code makes them from ten seconds of one symbol."""
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
        rows = windows.feature_rows()
        forecasts = predict(ticks, rows, line_up, None, second * 1000 + 1060.0)
        yield from (ticks, feature_batch(ticks, rows, second * 1000 + 1054.0), forecasts)
        yield outcome_batch(forecasts, *settlements.settle(forecasts), second * 1000 + 1064.0)
    yield release
    yield from gaps()
    yield measure("worker", "0", ProcessStatus(progress={"lag": 0.0}), psutil.Process())
    yield DeadLetter(topic="btc.ticks", partition=2, offset=7, reason="truncated", at_ms=1.0, by="worker", payload=b"{")


@pytest.fixture(scope="module")
def encoded() -> dict[str, list[Any]]:
    """Return record's name → decoded JSON, as a reader in another language sees it."""
    found: dict[str, list[Any]] = {}
    for record in records_of_ten_seconds():
        found.setdefault(type(record).__name__, []).append(json.loads(encode(record)))
    assert found["OutcomeBatch"][-1]["settled"], "ten seconds must settle something"
    assert found["FeatureBatch"][0]["feature_schema"] == SCHEMA
    return found


@pytest.mark.parametrize("spec", topics.ALL, ids=lambda spec: spec.name)
def test_real_records_validate_against_the_committed_schema(
    spec: topics.TopicSpec, encoded: dict[str, list[Any]]
) -> None:
    """Every encoded record is valid; without its first field it is not."""
    schema = json.loads((ROOT / wire.FOLDER / f"{spec.name}.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    for record in encoded[spec.record.__name__]:
        assert [error.message for error in validator.iter_errors(record)] == []
        first = next(iter(record))
        assert not validator.is_valid({name: value for name, value in record.items() if name != first})


def test_asyncapi_describes_every_topic_and_its_references_exist() -> None:
    """Each topic has its channel and its record; every `$ref` points to something in the document."""
    document = json.loads((ROOT / wire.ASYNCAPI).read_text(encoding="utf-8"))
    assert document["asyncapi"] == "3.0.0"
    assert [channel["address"] for channel in document["channels"].values()] == [
        "{prefix}." + spec.name for spec in topics.ALL
    ]
    for reference in _references(document):
        found = document
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]
    schemas = document["components"]["schemas"]
    assert {spec.record.__name__ for spec in topics.ALL} <= schemas.keys()


def test_the_comment_of_a_field_is_its_description() -> None:
    """The schema repeats the comment of a field in `records.py`, inherited fields included."""
    properties = wire.schemas()[f"{wire.FOLDER}/ticks.json"]["$defs"]["TickBatch"]["properties"]
    assert properties["second"]["description"] == "exchange time, epoch seconds: the batch covers [second, second + 1)"
    assert properties["late"]["description"].startswith("the whole second was filled after the fact")


def test_every_record_has_a_docstring() -> None:
    """The docstring of a record is the description of its topic."""
    structs = [each for each in vars(records).values() if inspect.isclass(each) and issubclass(each, Record)]
    assert [each.__name__ for each in structs if not each.__doc__] == []


def test_every_topic_has_its_writers_and_readers() -> None:
    """No topic is missing in the table; a partitioned topic has one writer."""
    assert set(wire.WRITERS_AND_READERS) == {spec.name for spec in topics.ALL}
    assert [
        spec.name for spec in topics.ALL if spec.partitioned and len(wire.WRITERS_AND_READERS[spec.name][0]) != 1
    ] == []


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        yield from (value for name, value in node.items() if name == "$ref")
        yield from (reference for value in node.values() for reference in _references(value))
    elif isinstance(node, list):
        yield from (reference for value in node for reference in _references(value))
