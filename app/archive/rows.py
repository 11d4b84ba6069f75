"""Messages as rows: a record and its position become one Arrow batch of its topic.

    btc.ticks        a row per symbol; its trades and quotes as lists of structs, its book as a struct
    btc.features     a row per symbol: the bar, a column per channel (feature rows are recomputed, not archived)
    btc.predictions  a row per model, symbol and horizon
    btc.outcomes     a row per message: settlements and scores as lists of structs
    btc.backfill     as btc.ticks
    btc.gaps         a row per message: what was known of one gap then

One message never spans two files, so one rename archives it. `query` unfolds the lists into tables.
"""

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa

from app.archive.schema import FEATURES, GAPS, OUTCOMES, POSITION, PREDICTIONS, QUOTE, TEXTS, TICKS, TRADE
from app.archive.tick_fields import book_fields, quote_fields, trade_fields
from app.domain.settlement import SCORED_EVERY_S
from app.records import Batch, FeatureBatch, Gap, OutcomeBatch, PredictionBatch, TickBatch

MAX_COLUMNS = 512


class MessagePosition(NamedTuple):
    """Partition and offset of a message, and whether readers skip it."""

    partition: int
    offset: int
    repeat: bool


def ticks(batch: TickBatch, position: MessagePosition) -> pa.RecordBatch:
    """Return a row per symbol. Raises ValueError where columns differ in length."""
    each = list(batch.symbols.values())
    columns = {
        "late": [batch.late] * len(each),
        "symbol": list(batch.symbols),
        "last_id": [one.last_id for one in each],
        "late_trades": [one.late for one in each],
        "missing": [one.missing for one in each],
        "trades": _lists([trade_fields(one.trades) for one in each], TRADE),
        "quotes": _lists([quote_fields(one.quotes) for one in each], QUOTE),
        "book": [book_fields(one.book) for one in each],
    }
    return _batch(TICKS, batch, position, len(each), columns)


def features(batch: FeatureBatch, position: MessagePosition) -> pa.RecordBatch:
    """Return a row per symbol, the bar's channels as columns. Raises ValueError where columns differ in length."""
    rows = len(batch.symbols)
    if len(batch.bars) > MAX_COLUMNS or not batch.bars.keys().isdisjoint(FEATURES.names):
        raise ValueError("channels that cannot be columns")
    schema = _with_doubles(FEATURES, list(batch.bars))
    columns = {
        "sent_ms": [batch.sent_ms] * rows,
        "symbol": batch.symbols,
        "feature_schema": [batch.feature_schema] * rows,
        "flags": batch.flags,
    }
    return _batch(schema, batch, position, rows, columns | batch.bars)


def predictions(batch: PredictionBatch, position: MessagePosition) -> pa.RecordBatch:
    """Return a row per model, symbol and horizon, quantiles as columns q05 … q95."""
    shape = M, S, H = len(batch.forecasts), len(batch.symbols), len(batch.horizons_s)
    if {len(batch.mid), len(batch.priced), len(batch.volatility), len(batch.flags)} != {S}:
        raise ValueError("columns of different lengths")
    model, symbol, horizon = (index.ravel() for index in np.indices(shape))
    names = [_quantile(level) for level in batch.levels]
    mean = np.array([one.mean for one in batch.forecasts], np.float64).reshape(shape)
    quantiles = np.array([one.quantiles for one in batch.forecasts], np.float64).reshape(*shape, len(names))
    columns = {
        "sent_ms": np.full(M * S * H, batch.sent_ms),
        "model": _take([one.model for one in batch.forecasts], model),
        "kind": _take([one.kind for one in batch.forecasts], model),
        "role": _take([one.role for one in batch.forecasts], model),
        "champion": _take([one.model == batch.champion for one in batch.forecasts], model, pa.bool_()),
        "symbol": _take(batch.symbols, symbol),
        "horizon_s": _take(batch.horizons_s, horizon, pa.int32()),
        "mid": _take([m if p else None for m, p in zip(batch.mid, batch.priced, strict=True)], symbol, pa.float64()),
        "volatility": _take(batch.volatility, symbol, pa.float64()),
        "flags": _take(batch.flags, symbol, TEXTS),
        "mean": mean.ravel(),
    } | {name: quantiles[..., level].ravel() for level, name in enumerate(names)}
    return _batch(_with_doubles(PREDICTIONS, names), batch, position, M * S * H, columns)


def outcomes(batch: OutcomeBatch, position: MessagePosition) -> pa.RecordBatch:
    """Return one row."""
    settled = [
        {"symbol": symbol, "horizon_s": one.horizon_s, "origin": one.origin, "realised": realised, "void": void}
        for one in batch.settled
        for symbol, realised, void in chain(
            ((symbol, value, None) for symbol, value in zip(one.symbols, one.realised, strict=True)),
            ((symbol, None, reason) for reason, symbols in one.void.items() for symbol in symbols),
        )
    ]
    kept = batch.scores if batch.second % 60 < SCORED_EVERY_S else []  # the first of each minute: they change slowly
    scores = [msgspec.structs.asdict(one) | {"coverage": list(one.coverage.items())} for one in kept]
    columns = {"sent_ms": [batch.sent_ms], "settled": [settled], "scores": [scores]}
    return _batch(OUTCOMES, batch, position, 1, columns)


def gaps(gap: Gap, position: MessagePosition) -> pa.RecordBatch:
    """Return one row."""
    known: dict[str, Any] = {name: getattr(gap, name) for name in gap.__struct_fields__ if name in GAPS.names}
    known |= position._asdict() | {"kafka_offset": position.offset, "second": int(gap.opened_ms // 1000)}
    known |= {"ids": [{"first": first, "last": last} for first, last in gap.ids]}
    known |= {"count": sum(last - first + 1 for first, last in gap.ids)}
    known |= {"opened_count": sum(last - first + 1 for first, last in gap.opened_ids)}
    return pa.record_batch([pa.array([known[field.name]], field.type) for field in GAPS], schema=GAPS)


def _quantile(level: float) -> str:
    # 0.05 → q05, 0.975 → q97_5
    return "q" + f"{level * 100:04.1f}".removesuffix(".0").replace(".", "_")


def _take(values: Sequence[Any], index: Any, kind: Any = None) -> pa.Array:
    return pa.array(values, kind or pa.string()).take(pa.array(index))


def _lists(each: Sequence[Any], item: pa.StructType) -> pa.ListArray:
    """Return one list of structs per element, out of structs of lists."""
    names = [field.name for field in item]
    lengths = [len(getattr(one, names[0])) for one in each]
    for name in names:
        if [len(getattr(one, name)) for one in each] != lengths:
            raise ValueError(f"{name}: columns of different lengths")
    flat = [pa.array(list(chain.from_iterable(getattr(one, f.name) for one in each)), f.type) for f in item]
    starts = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())
    return pa.ListArray.from_arrays(starts, pa.StructArray.from_arrays(flat, fields=list(item)))


def _with_doubles(schema: pa.Schema, names: list[str]) -> pa.Schema:
    return pa.schema([*schema, *(pa.field(name, pa.float64()) for name in names)])


def _batch(
    schema: pa.Schema, batch: Batch, position: MessagePosition, rows: int, columns: dict[str, Any]
) -> pa.RecordBatch:
    values = (position.partition, position.offset, position.repeat, batch.second, batch.closed_ms, batch.generation)
    arrays = [pa.repeat(pa.scalar(value, kind), rows) for value, kind in zip(values, POSITION.values(), strict=True)]
    for field in list(schema)[len(POSITION) :]:
        column = columns[field.name]
        arrays.append(column if isinstance(column, pa.Array) else pa.array(column, field.type))
    return pa.record_batch(arrays, schema=schema)


class TopicRows(NamedTuple):
    """How one topic's payloads become rows."""

    record: type[Batch] | type[Gap]
    rows: Callable[[Any, MessagePosition], pa.RecordBatch]
    schema: pa.Schema  # the columns that are always there
    ordered: bool = True  # seconds rise: one not newer is a repeat, and a file holds one hour. Else: by time of writing


TOPIC_ROWS = {
    "ticks": TopicRows(TickBatch, ticks, TICKS),
    "backfill": TopicRows(TickBatch, ticks, TICKS, ordered=False),
    "gaps": TopicRows(Gap, gaps, GAPS, ordered=False),
    "features": TopicRows(FeatureBatch, features, FEATURES),
    "predictions": TopicRows(PredictionBatch, predictions, PREDICTIONS),
    "outcomes": TopicRows(OutcomeBatch, outcomes, OUTCOMES),
}
