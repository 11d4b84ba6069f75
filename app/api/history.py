"""Histories, from the board and from the archive. What enters: a symbol and a span; what leaves: columns in pages.

With `from`, pages go forward from there: the oldest `limit` seconds, and `next_from` for the next page. Without it,
they are the newest `limit` seconds up to `to`. What is older than the board comes from the archive, through DuckDB.
"""

from typing import Any, Literal, NamedTuple

import numpy as np

from app.api.archive_history import bars_of, predictions_of, read
from app.board.board import Board, View
from app.board.rings import Ring


class Span(NamedTuple):
    """Which seconds are wanted: both ends included, at most `limit`."""

    symbol: str
    since: int | None
    until: int | None
    limit: int

    @property
    def pick(self) -> slice:
        """Which of the found seconds.

        >>> Span("BTCUSDT", None, None, 300).pick
        slice(-300, None, None)
        """
        return slice(-self.limit, None) if self.since is None else slice(self.limit)

    def page(self, view: View) -> View:
        """Return a view with `next_from`: the second after its last, or null when there is no more."""
        seconds = view["second"]
        following = int(seconds[-1]) + 1 if self.since is not None and len(seconds) >= self.limit else None
        past_end = following is not None and self.until is not None and following > self.until
        return {**view, "next_from": None if past_end else following}

    def rest_of(self, view: View) -> "Span | None":
        """Return what is still wanted after a view; None when that is nothing."""
        seconds = view["second"]
        since = int(seconds[-1]) + 1 if len(seconds) else self.since
        left = self.limit - len(seconds)
        return self._replace(since=since, limit=left) if left > 0 else None


def is_older(board: Board, span: Span, kind: Literal["bars", "predictions"]) -> bool:
    """Say whether a span begins before the bars or predictions the board holds of its symbol."""
    if span.since is None:
        return False
    with board.lock:
        ring: Ring | None = getattr(board.state.history.lanes[board.partitions[span.symbol]], kind)
        return ring is None or span.since < int(ring.seconds[ring.seconds >= 0].min(initial=ring.newest))


async def bars(board: Board, span: Span) -> View:
    """Return a page of one-second bars."""
    old: View | None = None
    if is_older(board, span, "bars"):
        old = bars_of(span.symbol, await read(board.settings, "bars", span.symbol, _end(board, span), span.limit))
    rest = span if old is None else span.rest_of(old)
    new = board.bars(span.symbol, since=rest.since, until=rest.until, pick=rest.pick) if rest else None
    return span.page(_joined(old, new))


async def predictions(board: Board, span: Span, horizon_s: int | None = None) -> View:
    """Return a page of past predictions, of one horizon or all."""
    old: View | None = None
    if is_older(board, span, "predictions"):
        old = await _archived_predictions(board, span)
    rest = span if old is None else None if "next_from" in old else span.rest_of(old)
    new = board.history(span.symbol, since=rest.since, until=rest.until, pick=rest.pick) if rest else None
    view = {**span.page(_joined(old, new)), **({"next_from": old["next_from"]} if old and "next_from" in old else {})}
    if horizon_s is not None:
        view["horizons"] = {name: column for name, column in view["horizons"].items() if name == str(horizon_s)}
    return view


async def _archived_predictions(board: Board, span: Span) -> View:
    """Return what the archive has of a span; with `next_from` when it has more than fits."""
    first, last = _end(board, span)
    each = len(board.horizons_s) * max(3, len(board.models()["running"]))  # rows a second: one per model and horizon
    asked = (span.limit + 1) * each
    rows = await read(board.settings, "predictions", span.symbol, (first, last), asked)
    seconds = sorted({row["second"] for row in rows})
    whole = seconds[:-1] if len(rows) >= asked else seconds  # the last second may be cut
    kept = whole[: span.limit]
    rows = [row for row in rows if kept and row["second"] <= kept[-1]]
    until = kept[-1] + max(board.horizons_s) if kept else last
    outcomes_of = (until - first + 1) * len(board.horizons_s)
    realised = await read(board.settings, "outcomes", span.symbol, (first, until), outcomes_of)
    view = predictions_of(span.symbol, rows, realised)
    return view | {"next_from": kept[-1] + 1} if kept and len(kept) < len(seconds) else view


def _end(board: Board, span: Span) -> tuple[int, int]:
    assert span.since is not None
    newest = max(int(board.exchange_s()), span.since)
    return span.since, newest if span.until is None else span.until


async def outcomes(board: Board, span: Span, horizon_s: int) -> View:
    """Return a page of settled forecasts of one horizon."""
    if not is_older(board, span, "predictions"):
        view = board.outcomes(span.symbol, horizon_s, since=span.since or 0, until=span.until, pick=span.pick)
        return span.page(view)
    past = await predictions(board, span, horizon_s)
    column = past["horizons"].get(str(horizon_s), {"mean": [], "quantiles": {}, "realised": []})
    settled = [place for place, value in enumerate(column["realised"]) if value is not None and not np.isnan(value)]
    return {
        "symbol": span.symbol,
        "horizon_s": horizon_s,
        "second": [past["second"][place] for place in settled],
        "model": [past["model"][place] for place in settled],
        "mean": [column["mean"][place] for place in settled],
        "quantiles": {level: [values[place] for place in settled] for level, values in column["quantiles"].items()},
        "realised": [column["realised"][place] for place in settled],
        "next_from": past["next_from"],
    }


def _joined(old: View | None, new: View | None) -> View:
    """Return two views of one kind as one, the older first."""
    if old is None or new is None or not len(old["second"]):
        return new if new is not None else old or {}
    return old if not len(new["second"]) else {name: _both(old[name], new[name]) for name in new}


def _both(old: Any, new: Any) -> Any:
    if isinstance(new, dict):
        return {name: _both(old[name], new[name]) for name in new if name in old}
    return new if isinstance(new, str | int) else [*old, *new]
