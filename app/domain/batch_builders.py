"""The messages that carry the results of one second: feature batches and outcome batches."""

from typing import Any, cast

import numpy as np

from app.domain import features
from app.domain.windows import FeatureRows
from app.records import FeatureBatch, OutcomeBatch, PredictionBatch, Score, Settlement, TickBatch


def feature_batch(batch: TickBatch, rows: FeatureRows, sent_ms: float) -> FeatureBatch:
    """Return the message for one second: one array per bar channel and feature, one value per symbol."""
    columns: Any = np.ascontiguousarray(rows.features.T)  # arrays: the encoder writes lists
    return FeatureBatch(
        partition=batch.partition,
        second=batch.second,
        closed_ms=batch.closed_ms,
        generation=batch.generation,
        sent_ms=sent_ms,
        feature_schema=features.SCHEMA,
        symbols=list(rows.symbols),
        bars=cast(Any, rows.bars),
        features=dict(zip(features.NAMES, columns, strict=True)),
        flags=rows.flags,
    )


def outcome_batch(
    batch: PredictionBatch, settled: list[Settlement], scores: list[Score], totals: dict[str, int], sent_ms: float
) -> OutcomeBatch:
    """Return the message about what was settled with the mids of `batch`."""
    return OutcomeBatch(
        partition=batch.partition,
        second=batch.second,
        closed_ms=batch.closed_ms,
        generation=batch.generation,
        sent_ms=sent_ms,
        settled=settled,
        scores=scores,
        settled_total=totals,
    )
