"""The REST routes under /v1: each names its view, the versions that make its answer old, and the board's method."""

import time
from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from app.api import history
from app.api.cache import AnswerCache, Token
from app.api.docs import responses
from app.api.history import Span
from app.api.problems import Problem
from app.api.request_metrics import RequestMetrics
from app.api.responses import Status, status_of
from app.board.board import Board
from app.board.views import Feed, LatestPredictions, Models, PastBars, PastOutcomes, PastPredictions, Scores

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


def router(board: Board, cache: AnswerCache, request_metrics: RequestMetrics) -> APIRouter:  # noqa: C901  one table of routes
    """Return the routes of one board."""
    routes = APIRouter(prefix="/v1", default_response_class=Response)

    def version(*kinds: str, ages: bool = False) -> Callable[[], Token]:
        def token() -> Token:
            return *(board.versions[kind] for kind in kinds), int(time.monotonic()) if ages else 0

        return token

    def span_of(symbol: str, since: int | None, until: int | None, limit: int) -> Span:
        _require_data(board)
        if since is not None and until is not None and since > until:
            raise Problem(422, f"from ({since}) is after to ({until})")
        name = symbol.upper()
        board.require_symbol(name)
        return Span(name, since, until, limit)

    @routes.get("/predictions/latest", tags=["forecasts"], responses=responses(LatestPredictions))
    async def latest_predictions(request: Request, symbol: MaybeSymbol = None) -> Response:
        """Newest prediction.

        Of one symbol or of all: the champion's mean and quantiles per horizon, as log returns and as prices, the other
        models' beside it, and the flags that say how far to trust it.
        """
        _require_data(board)
        return cache.store(request, board.latest(symbol.upper() if symbol else None), version("predictions", ages=True))

    @routes.get("/predictions", tags=["forecasts"], responses=responses(PastPredictions))
    async def past_predictions(request: Request, symbol: Symbol, since: From = None, to: To = None, limit: Limit = 300,
                               horizon_s: MaybeHorizon = None) -> Response:  # fmt: skip
        """Past predictions.

        The champion's of each second, as columns, with what became of them (`realised`, null while open). What is older
        than this replica's memory comes from the archive.
        """
        span = span_of(symbol, since, to, limit)
        if horizon_s is not None:
            _require_horizon(board, horizon_s)
        page = await history.predictions(board, span, horizon_s)
        return cache.store(request, page, version("predictions", ages=True))

    @routes.get("/bars", tags=["forecasts"], responses=responses(PastBars))
    async def past_bars(request: Request, symbol: Symbol, since: From = None, to: To = None,
                        limit: Limit = 300) -> Response:  # fmt: skip
        """One-second bars.

        Price, quotes, volume and flow of each second of the exchange, as columns; null where a value is not known.
        """
        page = await history.bars(board, span_of(symbol, since, to, limit))
        return cache.store(request, page, version("bars", ages=since is not None))

    @routes.get("/outcomes", tags=["quality"], responses=responses(PastOutcomes))
    async def past_outcomes(request: Request, symbol: Symbol, horizon_s: Horizon, since: From = None, to: To = None,
                            limit: Limit = 300) -> Response:  # fmt: skip
        """Forecasts and what came of them.

        The settled forecasts of one horizon, by the second they were made.
        """
        span = span_of(symbol, since, to, limit)
        _require_horizon(board, horizon_s)
        page = await history.outcomes(board, span, horizon_s)
        return cache.store(request, page, version("outcomes", ages=since is not None))

    @routes.get("/scores", tags=["quality"], responses=responses(Scores))
    async def scores(request: Request, symbol: ScoredSymbol = None) -> Response:
        """Scores: the worth of every model.

        Error, skill against the naive forecast with its confidence interval and p-value, coverage and PIT, per symbol,
        model and horizon. Skill near zero means: no skill now.
        """
        name = symbol.upper() if symbol else None
        return cache.store(request, board.scores(name), version("outcomes"))

    @routes.get("/models", tags=["system"], responses=responses(Models))
    async def models(request: Request) -> Response:
        """Champion, challengers, and every release."""
        return cache.store(request, board.models(), version("models", "predictions"))

    @routes.get("/feed", tags=["system"], responses=responses(Feed))
    async def feed(request: Request) -> Response:
        """Completeness of the feed.

        Per symbol: the share of the last hour's trade ids that were delivered, seconds without quotes, every open gap
        and the newest closed ones, from the ledger; and the newest second, its flags, missing and late seconds.
        """
        return cache.store(request, board.feed(), version("bars", "gaps", ages=True))

    @routes.get("/status", tags=["system"], responses=responses(Status))
    async def status(request: Request) -> Response:
        """State of the whole system.

        Processes, latency per stage, availability against its objective, dead letters, and this replica's Apdex.
        """
        return cache.store(request, status_of(board, request_metrics.get()), version("status", ages=True))

    return routes


def _require_data(board: Board) -> None:
    if not board.symbols:
        reason = board.not_following_reason or (
            "no process has written one" if board.is_ready else "the board is filling"
        )
        raise Problem(503, f"there is no prediction yet: {reason}", {"Retry-After": "2"})


def _require_horizon(board: Board, horizon_s: int) -> None:
    if horizon_s not in board.horizons_s:
        known = ", ".join(map(str, board.horizons_s))
        raise Problem(422, f"horizon_s {horizon_s} is not forecast; forecast are: {known}")
