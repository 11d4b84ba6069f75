"""The archive's rows as the board's columns: past predictions and bars that are older than the board."""

from collections.abc import Iterable
from itertools import groupby
from typing import Any

import numpy as np

from app.api.problems import Problem
from app.board.columns import masked, no_bars, no_predictions
from app.board.views import HorizonColumns, PastBars, PastPredictions
from app.settings import Settings

Row = dict[str, Any]
NO_CHANNELS = {"second", "symbol", "flags", "partition", "kafka_offset", "repeat", "closed_ms", "generation", "sent_ms",
               "feature_schema", "date", "hour", "time"}  # fmt: skip


async def read(settings: Settings, table: str, symbol: str, seconds: tuple[int, int], limit: int) -> list[Row]:
    """Return the archive's rows from seconds[0] to seconds[1], both included, oldest first; none if none is archived.

    Raises:
        Problem: 503, the archive cannot answer.

    """
    from app.archive.parquet import ArchiveError
    from app.archive.query import history

    try:
        return await history(settings, table, symbol, seconds[0], seconds[1] + 1, limit=limit)
    except ArchiveError as error:
        raise Problem(503, f"the archive does not answer: {error}", {"Retry-After": "5"}) from error


def predictions_of(symbol: str, rows: list[Row], outcomes: list[Row]) -> PastPredictions:
    """Return rows, one per model and horizon, as the columns of past predictions: the champion's of each second."""
    served = [row for row in rows if row["champion"]]
    if not served:
        return no_predictions(symbol)
    by_second = {second: {row["horizon_s"]: row for row in group}
                 for second, group in groupby(served, key=lambda row: row["second"])}  # fmt: skip
    firsts = [next(iter(horizons.values())) for horizons in by_second.values()]
    realised = {(row["origin"], row["horizon_s"]): row["realised"] for row in outcomes}
    return PastPredictions(
        next_from=None,
        symbol=symbol,
        second=np.array(list(by_second), np.int64),
        mid=_column(row["mid"] for row in firsts),
        volatility=_column(row["volatility"] for row in firsts),
        model=[row["model"] for row in firsts],
        flags=[row["flags"] for row in firsts],
        horizons={str(horizon_s): _horizon(by_second, horizon_s, realised)
                  for horizon_s in sorted({row["horizon_s"] for row in rows})},
    )  # fmt: skip


def _horizon(
    by_second: dict[int, dict[int, Row]], horizon_s: int, realised: dict[tuple[int, int], float | None]
) -> HorizonColumns:
    rows = [horizons.get(horizon_s, {}) for horizons in by_second.values()]
    names = next(iter(next(iter(by_second.values())).values()))
    return HorizonColumns(
        mean=_column(row.get("mean") for row in rows),
        quantiles={level_of(name): _column(row.get(name) for row in rows) for name in names if _is_quantile(name)},
        realised=_column(realised.get((second, horizon_s)) for second in by_second),
    )


def _is_quantile(column: str) -> bool:
    return column[0] == "q" and column[1:2].isdigit()


def level_of(column: str) -> str:
    """Return a quantile's level from its column's name.

    >>> level_of("q05"), level_of("q97_5")
    ('0.05', '0.975')
    """
    return f"{float(column[1:].replace('_', '.')) / 100:g}"


def _column(values: Iterable[float | None]) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array(list(values), np.float64)  # None becomes NaN


def bars_of(symbol: str, rows: list[Row]) -> PastBars:
    """Return rows, one per second, as the columns of past bars; values that a mask denies are NaN."""
    if not rows:
        return no_bars(symbol)
    channels = {name: _column(row[name] for row in rows) for name in rows[0] if name not in NO_CHANNELS}
    return PastBars(
        next_from=None,
        symbol=symbol,
        second=np.array([row["second"] for row in rows], np.int64),
        flags=[row["flags"] for row in rows],
        channels=masked(channels),
    )
