"""The API's own answers, and the list of all of them that the documentation describes."""

from typing import Literal

import msgspec

from app.board.board import Board
from app.board.views import (
    Feed,
    LatestPredictions,
    Models,
    PastBars,
    PastOutcomes,
    PastPredictions,
    Scores,
    ServedPrediction,
    SystemStatus,
    View,
)


class Api(View):
    """This replica's service level."""

    apdex: float | None
    requests: int
    p50_ms: float | None
    p99_ms: float | None
    users: int
    websockets: int
    dropped: int


class Status(SystemStatus):
    """The whole system's state."""

    api: Api
    ready: bool
    trouble: str


def status_of(board: Board, api: Api) -> Status:
    """Return the status of a board and of the replica that answers with it."""
    known = msgspec.structs.asdict(board.status())
    return Status(**known, api=api, ready=board.is_ready, trouble=board.not_following_reason)


class StreamMessage(View):
    """One message of the WebSocket: the present state first, then one update a second."""

    type: Literal["hello", "update"]
    source: str
    speed: float
    second: int | None
    closed_ms: float | None
    sent_ms: float | None
    tensorflow: str
    predictions: list[ServedPrediction]


class ProblemDetails(msgspec.Struct, kw_only=True):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str


ALL: tuple[type[msgspec.Struct], ...] = (
    LatestPredictions, PastPredictions, PastBars, PastOutcomes, Scores, Models, Feed, Status, ProblemDetails,
)  # fmt: skip
