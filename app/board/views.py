"""What the board answers: one struct per answer, which the API encodes and its documentation describes.

Times: `second`, `due`, `from`, `to` are exchange time, epoch seconds; `*_ms` are wall time, epoch milliseconds. Returns
are log returns of the mid. Columns over time have one length; NaN where there is no value, which is null in JSON.
"""

from typing import Annotated, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from app.board.records import Release
from app.records import GapState, Heartbeat, Kind, Role, Score, Stream

Seconds = Annotated[NDArray[np.int64], msgspec.Meta(extra_json_schema={"type": "array", "items": {"type": "integer"}})]
Column = Annotated[
    NDArray[np.float64],
    msgspec.Meta(extra_json_schema={"type": "array", "items": {"anyOf": [{"type": "number"}, {"type": "null"}]}}),
]


class View(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, gc=False):
    """The base of every answer."""


class Horizon(View):
    """One model's forecast for one horizon."""

    horizon_s: int
    due: int
    mean: float
    price: float | None
    quantiles: dict[str, float]
    prices: dict[str, float | None]


class Other(View):
    """A model that forecasts in the champion's shadow."""

    model: str
    kind: Kind
    role: Role
    forecasts: list[Horizon]


class ServedPrediction(View):
    """One symbol's newest prediction as live updates carry it: the champion's per horizon."""

    symbol: str
    second: int
    closed_ms: float
    sent_ms: float
    age_s: float
    stale: bool
    mid: float | None
    priced: bool
    volatility: float
    flags: list[str]
    model: str | None
    kind: Kind | None
    role: Role | None
    forecasts: list[Horizon]


class Prediction(ServedPrediction):
    """One symbol's newest prediction: the champion's per horizon, and the other models'."""

    others: list[Other] = []


class LatestPredictions(View):
    """The newest prediction of one symbol or of all."""

    source: str
    predictions: list[Prediction]


class HorizonColumns(View):
    """One horizon's forecasts over time, and what became of them."""

    mean: Column
    quantiles: dict[str, Column]
    realised: Column


class Page(View):
    """A part of a history: `next_from` is where the next part begins, null at its end."""

    next_from: int | None


class PastPredictions(Page):
    """The champion's forecasts of past seconds, as columns."""

    symbol: str
    second: Seconds
    mid: Column
    volatility: Column
    model: list[str | None]
    flags: list[list[str]]
    horizons: dict[str, HorizonColumns]


class PastBars(Page):
    """One-second bars, as columns."""

    symbol: str
    second: Seconds
    flags: list[list[str]]
    channels: dict[str, Column]


class PastOutcomes(Page):
    """Settled forecasts of one horizon, by the second they were made, as columns."""

    symbol: str
    horizon_s: int
    second: Seconds
    model: list[str | None]
    mean: Column
    quantiles: dict[str, Column]
    realised: Column


class ScoreRow(Score, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """One model's running scores for one symbol and horizon."""

    partition: int
    second: int


class Scores(View):
    """Running scores; older outcomes are exponentially forgotten."""

    scores: list[ScoreRow]
    settled_total: dict[str, int]


class RunningModel(View):
    """A model that forecasts now."""

    model: str
    kind: Kind
    role: Role
    serves: bool


class Models(View):
    """The models that forecast now, and every release."""

    champion: str | None
    tensorflow: str
    running: list[RunningModel]
    releases: list[Release]


class MissingSeconds(View, rename={"from_": "from"}):
    """Seconds of the worker that never came, or whose windows miss something."""

    kind: str
    from_: int
    to: int


class LedgerGap(View, rename={"from_": "from"}):
    """A gap of the ledger: what is missing, why, and what became of it. Times are exchange time, epoch seconds.

    `ids` are still missing, or lost; of `total_ids` seen missing since this replica started. `to` is null while the
    stream is silent, `closed` while the gap is open; `spans` are the first of the missing ids, both ends included.
    """

    id: str
    stream: Stream
    state: GapState
    reason: str
    ids: int
    total_ids: int
    spans: list[tuple[int, int]]
    seconds: float
    opened: float
    from_: float
    to: float | None = None
    closed: float | None = None


class SymbolFeed(View):
    """One symbol's feed over the last hour.

    From the ledger: `completeness`, the share of trade ids that were delivered, at once or later; `missing_ids`, those
    that were not; `quote_outage_s` and `book_outage_s`; `open_gaps` and the newest `closed_gaps`. From the seconds of
    the stream: `missing_s` never came, `late_s` came late, `gapped_s` had a window in which something is missing.
    """

    symbol: str
    partition: int
    second: int | None
    age_s: float | None
    stale: bool
    flags: list[str]
    completeness: float | None
    missing_s: int
    gapped_s: int
    late_s: int
    missing_ids: int
    quote_outage_s: float
    book_outage_s: float
    open_gaps: list[LedgerGap]
    closed_gaps: list[LedgerGap]
    gaps: list[MissingSeconds]


class Feed(View):
    """The feed, and the collectors' own account of it."""

    source: str
    symbols: list[SymbolFeed]
    collectors: list[dict[str, Any]]


class Availability(View):
    """Seconds that have a prediction, out of all seconds the board holds."""

    share: float | None
    seconds: int
    expected: int
    objective: float


class Latency(View, omit_defaults=True):
    """Wall time from the close of the second to the end of a stage."""

    n: int
    last_ms: float = 0.0
    p50_ms: float = 0.0
    p90_ms: float = 0.0
    p99_ms: float = 0.0


class Dead(View):
    """A message set aside."""

    topic: str
    partition: int
    offset: int
    reason: str
    at_ms: float
    by: str
    size_bytes: int


class DeadLetters(View):
    """Messages set aside: how many, and the newest."""

    total: int
    last: list[Dead]


class BoardSize(View):
    """What this replica holds in memory."""

    seconds: int
    bytes: int
    max_bytes: int
    taken: dict[str, int]


class Process(Heartbeat, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """One process's newest heartbeat."""

    alive: bool
    age_s: float


class SystemStatus(View):
    """The whole system's state, as a board knows it."""

    source: str
    speed: float
    second: int | None
    age_s: float | None
    stale: bool
    exchange_s: float
    symbols: int
    tensorflow: str
    availability: Availability
    latency: dict[str, Latency]
    predictions_per_minute: int
    dead: DeadLetters
    board: BoardSize
    processes: list[Process]
