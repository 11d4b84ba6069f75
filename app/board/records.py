"""The records the board decodes from each topic: those of the wire without the columns it does not show.

msgspec skips what a Struct does not name, so a feature batch costs its bars and a release its description.
"""

from collections.abc import Sized
from typing import Any

import msgspec

from app.kafka import topics
from app.records import Batch, DeadLetter, Gap, Heartbeat, Kind, OutcomeBatch, PredictionBatch, Record, Role
from app.settings import Settings


class Bars(Batch, frozen=True, kw_only=True, gc=False):
    """A FeatureBatch without its feature rows."""

    sent_ms: float
    symbols: list[str]
    bars: dict[str, list[float]]
    flags: list[list[str]]


class Release(Record, frozen=True, kw_only=True, gc=False):
    """A ModelRelease without its artifact."""

    id: str
    kind: Kind
    role: Role
    created_ms: float
    feature_schema: str
    horizons_s: list[int]
    levels: list[float]
    sha256: str
    origin: str = ""
    metrics: dict[str, float] = {}  # noqa: RUF012  msgspec copies it
    expires_ms: float = 0.0


LAST_MS = 253_402_300_799_999  # the end of the year 9999
BoardRecord = Bars | PredictionBatch | OutcomeBatch | Gap | Release | Heartbeat | DeadLetter

RECORDS: tuple[tuple[topics.TopicSpec, type[Any]], ...] = (
    (topics.FEATURES, Bars),
    (topics.PREDICTIONS, PredictionBatch),
    (topics.OUTCOMES, OutcomeBatch),
    (topics.GAPS, Gap),
    (topics.MODELS, Release),
    (topics.STATUS, Heartbeat),
    (topics.DEAD, DeadLetter),
)


def decoders(settings: Settings) -> dict[str, msgspec.json.Decoder[Any]]:
    """Return topic → decoder."""
    return {spec.full_name(settings): msgspec.json.Decoder(record) for spec, record in RECORDS}


def check_columns(record: BoardRecord, partitions: int) -> None:
    """Raise ValueError for a record whose columns do not fit together: it decodes, but it cannot be shown."""
    if isinstance(record, Batch | Gap) and not 0 <= record.partition < partitions:
        raise ValueError(f"partition {record.partition} of {partitions}")
    if isinstance(record, Bars):
        _check_lengths(len(record.symbols), record.flags, *record.bars.values())
    elif isinstance(record, PredictionBatch):
        symbols, horizons, levels = len(record.symbols), len(record.horizons_s), len(record.levels)
        _check_lengths(symbols, record.mid, record.priced, record.volatility, record.flags)
        for forecast in record.forecasts:
            _check_lengths(symbols, forecast.mean, forecast.quantiles)
            _check_lengths(horizons, *forecast.mean, *forecast.quantiles)
            _check_lengths(levels, *(row for rows in forecast.quantiles for row in rows))
    elif isinstance(record, Gap):
        _check_gap(record)
    elif isinstance(record, OutcomeBatch):
        for settled in record.settled:
            _check_lengths(len(settled.symbols), settled.realised)


def _check_gap(gap: Gap) -> None:
    times = gap.from_ms, gap.to_ms, gap.opened_ms, gap.closed_ms
    if not all(0.0 <= time <= LAST_MS for time in times) or any(first > last for first, last in gap.ids):
        raise ValueError("a gap of impossible times or ids")


def _check_lengths(length: int, *columns: Sized) -> None:
    if any(len(column) != length for column in columns):
        raise ValueError("columns of different lengths")
