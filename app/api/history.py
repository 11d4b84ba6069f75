"""Pages of past seconds: what is older than the board comes from the archive, the rest from the board.

With `from`, pages go forward from there: the oldest `limit` seconds, and `next_from` for the next page. Without it,
a page is the newest `limit` seconds up to `to`.
"""

from typing import NamedTuple

import numpy as np
from msgspec.structs import replace

from app.api.archive_history import Row, bars_of, predictions_of, read
from app.board.board import Board
from app.board.columns import no_bars, no_predictions, settled
from app.board.rings import Array
from app.board.views import HorizonColumns, PastBars, PastOutcomes, PastPredictions

LEAST_MODELS = 3  # champion, challenger, naive: so many rows are expected per archived second and horizon


class Span(NamedTuple):
    """The seconds that are asked for: both ends included, at most `limit`."""

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

    def starts_before(self, oldest: int | None) -> bool:
        """Return whether it begins before the oldest second of the board."""
        return self.since is not None and (oldest is None or self.since < oldest)

    def after(self, seconds: Array) -> "Span":
        """Return what is still asked for when these seconds [T] are there."""
        since = int(seconds[-1]) + 1 if len(seconds) else self.since
        return self._replace(since=since, limit=self.limit - len(seconds))

    def next_from(self, seconds: Array) -> int | None:
        """Return where the page after these seconds [T] begins; None when there is none."""
        if self.since is None or len(seconds) < self.limit:
            return None
        following = int(seconds[-1]) + 1
        return None if self.until is not None and following > self.until else following


# ── bars ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def bars(board: Board, span: Span) -> PastBars:
    """Return a page of one-second bars."""
    archived = await _archived_bars(board, span)
    rest = span.after(archived.second)
    recent = board.bars(span.symbol, since=rest.since, until=rest.until, pick=rest.pick)
    page = _joined_bars(archived, recent)
    return replace(page, next_from=span.next_from(page.second))


async def _archived_bars(board: Board, span: Span) -> PastBars:
    if not span.starts_before(board.oldest_bar(span.symbol)):
        return no_bars(span.symbol)
    return bars_of(span.symbol, await read(board.settings, "bars", span.symbol, _ends(board, span), span.limit))


def _joined_bars(old: PastBars, new: PastBars) -> PastBars:
    if not len(old.second) or not len(new.second):
        return old if len(old.second) else new
    return PastBars(
        next_from=None,
        symbol=new.symbol,
        second=np.concatenate([old.second, new.second]),
        flags=old.flags + new.flags,
        channels=_joined_columns(old.channels, new.channels),
    )


# ── predictions ───────────────────────────────────────────────────────────────────────────────────────────────


async def predictions(board: Board, span: Span, horizon_s: int | None = None) -> PastPredictions:
    """Return a page of past predictions, of one horizon or all."""
    archived = await _archived_predictions(board, span)
    page = archived if archived.next_from is not None else _continued(board, span, archived)
    shown = {name: column for name, column in page.horizons.items() if horizon_s is None or name == str(horizon_s)}
    return replace(page, horizons=shown)


def _continued(board: Board, span: Span, archived: PastPredictions) -> PastPredictions:
    rest = span.after(archived.second)
    recent = board.history(span.symbol, since=rest.since, until=rest.until, pick=rest.pick)
    page = _joined_predictions(archived, recent)
    return replace(page, next_from=span.next_from(page.second))


async def _archived_predictions(board: Board, span: Span) -> PastPredictions:
    """Return what the archive has of a span; with `next_from` when it has more than it could give at once."""
    if not span.starts_before(board.oldest_prediction(span.symbol)):
        return no_predictions(span.symbol)
    rows_per_second = len(board.horizons_s) * max(LEAST_MODELS, len(board.models().running))
    most = (span.limit + 1) * rows_per_second
    rows = await read(board.settings, "predictions", span.symbol, _ends(board, span), most)
    seconds = sorted({row["second"] for row in rows})
    whole = seconds[:-1] if len(rows) >= most else seconds  # the last second may lack rows
    chosen = whole[: span.limit]
    if not chosen:
        return no_predictions(span.symbol)
    rows = [row for row in rows if row["second"] <= chosen[-1]]
    page = predictions_of(span.symbol, rows, await _archived_outcomes(board, span, chosen[-1]))
    return replace(page, next_from=chosen[-1] + 1 if len(chosen) < len(seconds) else None)


async def _archived_outcomes(board: Board, span: Span, last: int) -> list[Row]:
    first, _ = _ends(board, span)
    until = last + max(board.horizons_s)
    most = (until - first + 1) * len(board.horizons_s)
    return await read(board.settings, "outcomes", span.symbol, (first, until), most)


def _joined_predictions(old: PastPredictions, new: PastPredictions) -> PastPredictions:
    if not len(old.second) or not len(new.second):
        return old if len(old.second) else new
    return PastPredictions(
        next_from=None,
        symbol=new.symbol,
        second=np.concatenate([old.second, new.second]),
        mid=np.concatenate([old.mid, new.mid]),
        volatility=np.concatenate([old.volatility, new.volatility]),
        model=old.model + new.model,
        flags=old.flags + new.flags,
        horizons={name: _joined_horizon(old.horizons[name], column)
                  for name, column in new.horizons.items() if name in old.horizons},
    )  # fmt: skip


def _joined_horizon(old: HorizonColumns, new: HorizonColumns) -> HorizonColumns:
    return HorizonColumns(
        mean=np.concatenate([old.mean, new.mean]),
        quantiles=_joined_columns(old.quantiles, new.quantiles),
        realised=np.concatenate([old.realised, new.realised]),
    )


# ── outcomes ──────────────────────────────────────────────────────────────────────────────────────────────────


async def outcomes(board: Board, span: Span, horizon_s: int) -> PastOutcomes:
    """Return a page of settled forecasts of one horizon."""
    if span.starts_before(board.oldest_prediction(span.symbol)):
        return settled(await predictions(board, span, horizon_s), horizon_s)
    page = board.outcomes(span.symbol, horizon_s, since=span.since or 0, until=span.until, pick=span.pick)
    return replace(page, next_from=span.next_from(page.second))


def _joined_columns(old: dict[str, Array], new: dict[str, Array]) -> dict[str, Array]:
    return {name: np.concatenate([old[name], values]) for name, values in new.items() if name in old}


def _ends(board: Board, span: Span) -> tuple[int, int]:
    assert span.since is not None  # what starts before the board has a start
    newest = max(int(board.exchange_s()), span.since)
    return span.since, newest if span.until is None else span.until
