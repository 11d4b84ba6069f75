"""The archive's rows as the board's columns. What enters: rows of DuckDB; what leaves: views as of `board_views`."""

from itertools import groupby
from typing import Any

from app.api.problems import Problem
from app.board.views import MASKED, View
from app.settings import Settings

Row = dict[str, Any]
NO_CHANNELS = {"second", "symbol", "flags", "partition", "kafka_offset", "repeat", "closed_ms", "generation", "sent_ms",
               "feature_schema", "date", "hour", "time"}  # fmt: skip


async def read(settings: Settings, table: str, symbol: str, span: tuple[int, int], limit: int) -> list[Row]:
    """Return the archive's rows with span[0] ≤ second ≤ span[1], oldest first; none where nothing is archived.

    Raises:
        Problem: 503, the archive cannot answer.

    """
    from app.archive.parquet import ArchiveError
    from app.archive.query import history

    try:
        return await history(settings, table, symbol, span[0], span[1] + 1, limit=limit)
    except ArchiveError as error:
        raise Problem(503, f"the archive does not answer: {error}", {"Retry-After": "5"}) from error


def predictions_of(symbol: str, rows: list[Row], outcomes: list[Row]) -> View:
    """Return rows, one per model and horizon, as the columns of past predictions: the champion's of each second."""
    realised = {(row["origin"], row["horizon_s"]): row["realised"] for row in outcomes}
    view: View = {"symbol": symbol, "second": [], "mid": [], "volatility": [], "model": [], "flags": [], "horizons": {}}
    levels = {name: level_of(name) for name in (rows[0] if rows else {}) if name[0] == "q" and name[1:2].isdigit()}
    horizons = sorted({row["horizon_s"] for row in rows})
    for second, group in groupby((row for row in rows if row["champion"]), key=lambda row: row["second"]):
        each = {row["horizon_s"]: row for row in group}
        first = next(iter(each.values()))
        view["second"].append(second)
        for name in ("mid", "volatility", "model", "flags"):
            view[name].append(first[name])
        for horizon_s in horizons:
            _add(view, horizon_s, each.get(horizon_s, {}), levels, realised.get((second, horizon_s)))
    return view


def level_of(column: str) -> str:
    """Return a quantile's level from its column's name.

    >>> level_of("q05"), level_of("q97_5")
    ('0.05', '0.975')
    """
    return f"{float(column[1:].replace('_', '.')) / 100:g}"


def _add(view: View, horizon_s: int, row: Row, levels: dict[str, str], realised: float | None) -> None:
    blank: View = {"mean": [], "quantiles": {level: [] for level in levels.values()}, "realised": []}
    column = view["horizons"].setdefault(str(horizon_s), blank)
    column["mean"].append(row.get("mean"))
    column["realised"].append(realised)
    for name, level in levels.items():
        column["quantiles"][level].append(row.get(name))


def bars_of(symbol: str, rows: list[Row]) -> View:
    """Return rows, one per second, as the columns of past bars; what a mask denies is None."""
    names = [name for name in (rows[0] if rows else {}) if name not in NO_CHANNELS]
    masks = {name: mask for mask, masked in MASKED.items() for name in masked if mask in names}
    return {
        "symbol": symbol,
        "second": [row["second"] for row in rows],
        "flags": [row["flags"] for row in rows],
        "channels": {name: [row[name] if row.get(masks.get(name, ""), 1) else None for row in rows] for name in names},
    }
