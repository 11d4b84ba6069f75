"""The REST routes under /v1. What enters: a question; what leaves: the board's answer, encoded once.

Each route is a table of three: its shape (`answers.py`), what makes its answer old, and the board's method.
"""

import time
from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from app.api import answers, history
from app.api.cache import AnswerCache, Token
from app.api.docs import responses
from app.api.history import Span
from app.api.problems import Problem
from app.api.request_metrics import RequestMetrics
from app.board.board import Board

LAST = 253_402_300_799  # the year 9999
NAME = r"^[A-Za-z0-9._\-]{1,40}$"
Symbol = Annotated[str, Query(pattern=NAME, description="A symbol, in any case.", examples=["BTCUSDT"])]
MaybeSymbol = Annotated[
    str | None, Query(pattern=NAME, description="One symbol; all when absent.", examples=["BTCUSDT"])
]
ScoredSymbol = Annotated[
    str | None,
    Query(
        pattern=r"^([A-Za-z0-9._\-]{1,40}|\*)$", description="One symbol, or * for the mean over a partition's symbols."
    ),
]
From = Annotated[
    int | None,
    Query(alias="from", ge=0, le=LAST, description="First second wanted, epoch. Pages go forward from here."),
]
To = Annotated[int | None, Query(ge=0, le=LAST, description="Last second wanted, epoch. Default: the newest.")]
Limit = Annotated[int, Query(ge=1, le=3600, description="At most so many seconds.")]
Horizon = Annotated[int, Query(ge=1, le=86_400, description="A forecast horizon, seconds.", examples=[10])]
MaybeHorizon = Annotated[int | None, Query(ge=1, le=86_400, description="One horizon, seconds; all when absent.")]


def router(board: Board, kept: AnswerCache, experience: RequestMetrics) -> APIRouter:  # noqa: C901  one table of routes
    """Return the routes of one board."""
    routes = APIRouter(prefix="/v1", default_response_class=Response)

    def by(kind: str, *, ages: bool = False) -> Callable[[], Token]:
        def fresh() -> Token:
            return board.versions[kind], int(time.monotonic()) if ages else 0

        return fresh

    def wanted(symbol: str, since: int | None, until: int | None, limit: int) -> Span:
        _need_data(board)
        if since is not None and until is not None and since > until:
            raise Problem(422, f"from ({since}) is after to ({until})")
        name = symbol.upper()
        board.need(name)
        return Span(name, since, until, limit)

    @routes.get("/predictions/latest", tags=["forecasts"], responses=responses(answers.LatestPredictions))
    async def latest_predictions(request: Request, symbol: MaybeSymbol = None) -> Response:
        """Newest prediction.

        Of one symbol or of all: the champion's mean and quantiles per horizon, as log returns and as prices, the other
        models' beside it, and the flags that say how far to trust it.
        """
        _need_data(board)
        return kept.put(request, board.latest(symbol.upper() if symbol else None), by("predictions", ages=True))

    @routes.get("/predictions", tags=["forecasts"], responses=responses(answers.PastPredictions))
    async def past_predictions(request: Request, symbol: Symbol, since: From = None, to: To = None, limit: Limit = 300,
                               horizon_s: MaybeHorizon = None) -> Response:  # fmt: skip
        """Past predictions.

        The champion's of each second, as columns, with what became of them (`realised`, null while open). What is older
        than this replica's memory comes from the archive.
        """
        span = wanted(symbol, since, to, limit)
        if horizon_s is not None:
            _need_horizon(board, horizon_s)
        view = await history.predictions(board, span, horizon_s)
        return kept.put(request, view, by("predictions", ages=True))

    @routes.get("/bars", tags=["forecasts"], responses=responses(answers.PastBars))
    async def past_bars(request: Request, symbol: Symbol, since: From = None, to: To = None,
                        limit: Limit = 300) -> Response:  # fmt: skip
        """One-second bars.

        Price, quotes, volume and flow of each second of the exchange, as columns; null where a value is not known.
        """
        view = await history.bars(board, wanted(symbol, since, to, limit))
        return kept.put(request, view, by("bars", ages=since is not None))

    @routes.get("/outcomes", tags=["quality"], responses=responses(answers.PastOutcomes))
    async def past_outcomes(request: Request, symbol: Symbol, horizon_s: Horizon, since: From = None, to: To = None,
                            limit: Limit = 300) -> Response:  # fmt: skip
        """Forecasts and what came of them.

        The settled forecasts of one horizon, by the second they were made.
        """
        span = wanted(symbol, since, to, limit)
        _need_horizon(board, horizon_s)
        return kept.put(request, await history.outcomes(board, span, horizon_s), by("outcomes", ages=since is not None))

    @routes.get("/scores", tags=["quality"], responses=responses(answers.Scores))
    async def scores(request: Request, symbol: ScoredSymbol = None) -> Response:
        """Scores: the worth of every model.

        Error, skill against the naive forecast with its confidence interval and p-value, coverage and PIT, per symbol,
        model and horizon. Skill near zero means: no skill now.
        """
        name = symbol.upper() if symbol else None
        return kept.put(request, board.scores(name), by("outcomes"))

    @routes.get("/models", tags=["system"], responses=responses(answers.Models))
    async def models(request: Request) -> Response:
        """Champion, challengers, and every release."""

        def fresh() -> Token:
            return board.versions["models"], board.versions["predictions"]

        return kept.put(request, board.models(), fresh)

    @routes.get("/feed", tags=["system"], responses=responses(answers.Feed))
    async def feed(request: Request) -> Response:
        """Completeness of the feed.

        Per symbol: its newest second, flags, completeness and every gap of the last hour.
        """
        return kept.put(request, board.feed(), by("bars", ages=True))

    @routes.get("/status", tags=["system"], responses=responses(answers.Status))
    async def status(request: Request) -> Response:
        """State of the whole system.

        Processes, latency per stage, availability against its objective, dead letters, and this replica's Apdex.
        """
        return kept.put(request, board.status() | {"api": experience.get()}, by("status", ages=True))

    return routes


def _need_data(board: Board) -> None:
    if not board.symbols:
        reason = board.trouble or ("no process has written one" if board.ready else "the board is filling")
        raise Problem(503, f"there is no prediction yet: {reason}", {"Retry-After": "2"})


def _need_horizon(board: Board, horizon_s: int) -> None:
    if horizon_s not in board.horizons_s:
        known = ", ".join(map(str, board.horizons_s))
        raise Problem(422, f"horizon_s {horizon_s} is not forecast; forecast are: {known}")
