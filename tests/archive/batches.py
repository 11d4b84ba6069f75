"""Batches of every topic, archived as the archiver would, for the tests of the archive."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
from aiokafka import TopicPartition

from app.archive import parquet, query
from app.archive.partition_buffer import PartitionBuffer
from app.archive.rows import TOPIC_ROWS
from app.archive.segments import Segment, archive_folder
from app.records import (
    FeatureBatch,
    Forecast,
    OutcomeBatch,
    PredictionBatch,
    Quotes,
    Record,
    Score,
    Settlement,
    TickBatch,
    Ticks,
    Trades,
)
from app.settings import Settings

T0 = 1_700_000_000 // 3600 * 3600
HOUR = T0 // 3600
LEVELS = [0.05, 0.25, 0.5, 0.75, 0.95]


def segment(first: int, last: int, hour: int = HOUR, partition: int = 0, epoch: int = 0) -> Segment:
    """Return a segment of `btc.ticks`."""
    return Segment("btc.ticks", partition, epoch, first, last, hour)


def touch(root: Path, *listed: Segment) -> None:
    """Make empty files of some segments."""
    for one in listed:
        (root / one.name).parent.mkdir(parents=True, exist_ok=True)
        (root / one.name).touch()


def tick_batch(second: int, **more: Any) -> TickBatch:
    """Return a second of two symbols, one without ticks."""
    trades = Trades(
        id=[second, second + 1],
        time_ms=[second * 1000, second * 1000 + 5],
        price=[100.0, 100.5],
        quantity=[1.0, 2.0],
        buyer_maker=[True, False],
    )
    quotes = Quotes(time_ms=[second * 1000], bid=[99.0], bid_size=[1.0], ask=[101.0], ask_size=[3.0])
    symbols = {"BTCUSDT": Ticks(trades=trades, quotes=quotes, last_id=second + 1), "ETHUSDT": Ticks()}
    fields: dict[str, Any] = {"partition": 0, "second": second, "closed_ms": 1.0, "symbols": symbols}
    return TickBatch(**fields | more)


def feature_batch(second: int, **more: Any) -> FeatureBatch:
    """Return a second of two symbols with two channels."""
    bars = {"open": [1.0, 2.0], "close": [3.0, 4.0]}
    fields: dict[str, Any] = {"partition": 0, "second": second, "closed_ms": 1.0, "sent_ms": 2.0, "bars": bars}
    fields |= {"symbols": ["BTCUSDT", "ETHUSDT"], "feature_schema": "f", "features": {}, "flags": [["late"], []]}
    return FeatureBatch(**fields | more)


def prediction_batch(second: int, **more: Any) -> PredictionBatch:
    """Return a second of two models, symbols and horizons."""

    def forecast(model: str, base: float) -> Forecast:
        mean = [[base + symbol + horizon / 10 for horizon in range(2)] for symbol in range(2)]
        quantiles = [[[value + level for level in LEVELS] for value in row] for row in mean]
        return Forecast(model=model, kind="ridge", role="champion", mean=mean, quantiles=quantiles)

    fields: dict[str, Any] = {"partition": 0, "second": second, "closed_ms": 1.0, "sent_ms": 2.0}
    fields |= {"symbols": ["BTCUSDT", "ETHUSDT"], "flags": [[], ["unpriced"]], "volatility": [0.1, 0.2]}
    fields |= {"mid": [100.0, 0.0], "priced": [True, False], "horizons_s": [5, 10], "levels": LEVELS, "champion": "b"}
    return PredictionBatch(**fields | {"forecasts": [forecast("a", 0.0), forecast("b", 10.0)]} | more)


def outcome_batch(second: int) -> OutcomeBatch:
    """Return a second with one settled, one void forecast and one score."""
    settled = Settlement(
        horizon_s=5, origin=second - 5, symbols=["BTCUSDT"], realised=[0.01], void={"unpriced": ["ETHUSDT"]}
    )
    numbers = dict.fromkeys(
        ("weight", "mae", "rmse", "pinball", "skill", "skill_low", "skill_high", "p_value", "r2", "direction"), 0.5
    )
    score = Score(
        symbol="*", model="a", kind="ridge", role="champion", horizon_s=5, n=7, coverage={"0.9": 0.91},
        pit=[0.1, 0.9], **numbers,
    )  # fmt: skip
    return OutcomeBatch(partition=0, second=second, closed_ms=1.0, sent_ms=2.0, settled=[settled], scores=[score])


def message(offset: int, record: Record | bytes, timestamp: int = T0 * 1000) -> Any:
    """Return a message as the consumer would."""
    payload = record if isinstance(record, bytes) else msgspec.json.encode(record)
    return SimpleNamespace(offset=offset, timestamp=timestamp, value=payload)


def buffer_of(name: str) -> PartitionBuffer:
    """Return an empty buffer of partition 0."""
    return PartitionBuffer(TopicPartition(f"btc.{name}", 0), TOPIC_ROWS[name])


def archived(
    settings: Settings, name: str, *records: Record | bytes, first: int = 0, buffer: PartitionBuffer | None = None
) -> PartitionBuffer:
    """Write records as one file, as the process would."""
    buffer = buffer or buffer_of(name)
    for offset, record in enumerate(records, first):
        one = message(offset, record)
        buffer.append(one, buffer.decode(one, live=False))
    content = buffer.content()
    assert content
    parquet.write(archive_folder(settings), *content)
    buffer.clear()
    return buffer


def rows(settings: Settings, sql: str) -> list[dict[str, Any]]:
    """Return the rows of a query."""
    found: list[dict[str, Any]] = query.query(settings, sql).to_pylist(maps_as_pydicts="strict")
    return found
