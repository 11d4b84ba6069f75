"""Every record on the wire, in the order of the pipeline.

They are the JSON payloads of the topics in `app/kafka/topics.py`. Fields are only ever added, each new one
with a default, so an old reader understands a new writer and the other way round. Columns are lists of one
length; a value that does not exist is 0 beside an explicit mask, never NaN.

Exchange time: `second`, `time_ms` (epoch). Wall time: `closed_ms`, `sent_ms`, `at_ms` (epoch milliseconds),
`received_ns` (epoch nanoseconds).

Prices and sizes are JSON numbers that show the exact decimal the exchange sent, without zeros at its end. A float keeps
up to 15 significant digits; a longer number that it does not keep stands in `exact` as (column, row, number).
"""

from typing import Literal

import msgspec

Kind = Literal["naive", "ridge", "tensorflow"]
Role = Literal["champion", "challenger", "baseline", "retired"]
Stream = Literal["trades", "quotes", "book"]
GapState = Literal["open", "filled", "lost"]


class Record(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The base of every payload: frozen, with named fields."""


class Batch(Record, frozen=True, kw_only=True, gc=False):
    """What one partition's symbols did in one second of exchange time."""

    partition: int
    second: int  # exchange time, epoch seconds: the batch covers [second, second + 1)
    closed_ms: float  # wall clock of the close, epoch milliseconds: every latency counts from here
    generation: int = 0  # of the collectors' group: readers refuse a lower one


# ── btc.ticks ─────────────────────────────────────────────────────────────────────────────────────────────────


class Trades(Record, frozen=True, kw_only=True, gc=False):
    """Aggregate trades in columns, in order of id. Columns from `microsecond` on are empty in older messages."""

    id: list[int] = []
    time_ms: list[int] = []  # exchange time of the trade
    price: list[float] = []
    quantity: list[float] = []
    buyer_maker: list[bool] = []  # true: the taker sold
    microsecond: list[int] = []  # of `time_ms`, 0 … 999: the exchange time in µs is time_ms · 1000 + microsecond
    first_id: list[int] = []  # first and last trade in the aggregate; -1: not known
    last_id: list[int] = []
    received_ns: list[int] = []  # 0: not known
    connection: list[int] = []  # the collector's connection that it came by, from 1; 0: backfilled over REST
    exact: list[tuple[str, int, str]] = []  # column, row, number: what a float does not keep


class Quotes(Record, frozen=True, kw_only=True, gc=False):
    """Changes of the best bid and ask in columns, in order of receipt; the last ones are empty in older messages."""

    time_ms: list[int] = []  # exchange clock at its receipt − the usual transit: the wire carries no time
    bid: list[float] = []
    bid_size: list[float] = []
    ask: list[float] = []
    ask_size: list[float] = []
    update_id: list[int] = []  # of the order book
    received_ns: list[int] = []
    connection: list[int] = []  # the collector's connection that it came by, from 1
    exact: list[tuple[str, int, str]] = []


class Book(Record, frozen=True, kw_only=True, gc=False):
    """The best levels of the order book at one time, the best one first: prices and sizes of one length per side."""

    time_ms: int  # exchange clock at its receipt − the usual transit: the wire carries no time
    update_id: int
    bid: list[float]
    bid_size: list[float]
    ask: list[float]
    ask_size: list[float]
    received_ns: int = 0
    connection: int = 0  # the collector's connection that it came by, from 1
    exact: list[tuple[str, int, str]] = []  # column, level, number: what a float does not keep


class Ticks(Record, frozen=True, kw_only=True, gc=False):
    """One symbol's second."""

    trades: Trades = Trades()
    quotes: Quotes = Quotes()
    last_id: int = -1  # id of the newest trade up to here, carried through silent seconds; -1: none yet
    late: int = 0  # so many of the trades belong to seconds already closed
    missing: int = 0  # ids skipped up to here in this batch and not refilled
    book: Book | None = None  # the last snapshot of the second; null: none came, or they are switched off
    open_ids: int = 0  # ids of open holes that touch the last 300 s
    quote_outage: bool = False  # a hole in the quotes is open: the last quote is not the present one


class TickBatch(Batch, frozen=True, kw_only=True, gc=False):
    """`btc.ticks`: the stream cut into seconds. Late seconds (`late`) are complete, but not timely."""

    symbols: dict[str, Ticks]
    late: bool = False  # the whole second was filled after the fact: a takeover, a restart


# ── btc.gaps ──────────────────────────────────────────────────────────────────────────────────────────────────


class Gap(Record, frozen=True, kw_only=True, gc=False):
    """`btc.gaps`: one hole in a symbol's stream. The newest record of an id counts: the topic is compacted."""

    id: str  # and key: "BTCUSDT-trades-4711", symbol, stream, and the first trade id or epoch second
    symbol: str
    partition: int
    stream: Stream
    state: GapState
    reason: str  # skipped, absent, silent, disconnected, …
    ids: list[tuple[int, int]] = []  # trades: spans of ids still missing, both ends included; lost: those lost
    opened_ids: list[tuple[int, int]] = []  # trades: the spans that were missing when it was opened
    lost_ids: list[tuple[int, int]] = []  # trades: spans that the exchange has no trades for, known so far
    from_ms: float  # exchange time of the last event before the hole
    to_ms: float = 0.0  # exchange time of the first one after it; 0: it lasts
    opened_ms: float  # exchange time when it was noticed
    closed_ms: float = 0.0  # exchange time when it was filled or given up; 0: open
    generation: int = 0  # of the collectors' group: readers refuse a lower one


# ── btc.features ──────────────────────────────────────────────────────────────────────────────────────────────


class FeatureBatch(Batch, frozen=True, kw_only=True, gc=False):
    """`btc.features`: the second's bars and the feature rows; one list per channel or feature, one value per symbol."""

    sent_ms: float
    feature_schema: str  # fingerprint of names and order: a model trained on another is refused
    symbols: list[str]
    bars: dict[str, list[float]]  # channel → values, see domain/bars.py
    features: dict[str, list[float]]  # name → values, see domain/features.py
    flags: list[list[str]]  # per symbol: gapped, late, stale, unpriced, warming_up


# ── btc.predictions ───────────────────────────────────────────────────────────────────────────────────────────


class Forecast(Record, frozen=True, kw_only=True, gc=False):
    """One forecaster's forecasts for every symbol, as log returns of the mid over each horizon."""

    model: str
    kind: Kind
    role: Role
    mean: list[list[float]]  # [symbol][horizon]
    quantiles: list[list[list[float]]]  # [symbol][horizon][level], rising, conformally corrected


class PredictionBatch(Batch, frozen=True, kw_only=True, gc=False):
    """`btc.predictions`: every forecaster's forecasts, with the second's mid and quality."""

    sent_ms: float
    symbols: list[str]
    mid: list[float]  # 0 where unpriced
    priced: list[bool]
    volatility: list[float]  # of the log mid, per square root of a second
    flags: list[list[str]]  # per symbol: those of the features, and fallback, model_expired
    horizons_s: list[int]
    levels: list[float]
    champion: str  # the forecast served: the model of this name
    forecasts: list[Forecast]


# ── btc.outcomes ──────────────────────────────────────────────────────────────────────────────────────────────


class Settlement(Record, frozen=True, kw_only=True, gc=False):
    """What became of the forecasts made `horizon_s` ago."""

    horizon_s: int
    origin: int  # the second they were made
    symbols: list[str] = []  # those settled
    realised: list[float] = []  # their log returns
    void: dict[str, list[str]] = {}  # reason → symbols: missing (no forecast was made), unpriced, stale


class Score(Record, frozen=True, kw_only=True, gc=False):
    """One forecaster's running scores for one symbol and horizon, older outcomes exponentially forgotten."""

    symbol: str  # "*": the mean over the partition's symbols
    model: str
    kind: Kind
    role: Role
    horizon_s: int
    n: int  # outcomes settled since the beginning
    weight: float  # effective number of outcomes remembered
    mae: float  # log return
    rmse: float  # log return
    pinball: float  # mean over the levels, log return
    skill: float  # 1 − pinball ÷ the naive forecast's
    skill_low: float  # 95 % confidence interval
    skill_high: float
    p_value: float  # one-sided, that the forecaster is no better than naive
    r2: float  # 1 − squared error ÷ the naive forecast's
    direction: float  # share of non-zero moves whose sign the mean had right
    coverage: dict[str, float]  # nominal width of the interval ("0.9", "0.5") → share of outcomes inside
    pit: list[float]  # share of outcomes below, between and above the quantile levels


class OutcomeBatch(Batch, frozen=True, kw_only=True, gc=False):
    """`btc.outcomes`: what was settled in this second, and the running scores."""

    sent_ms: float
    settled: list[Settlement]
    scores: list[Score]  # large partitions: a part of the symbols, in turn
    settled_total: dict[str, int] = {}  # horizon → (symbol, second) pairs settled since the beginning


# ── btc.models ────────────────────────────────────────────────────────────────────────────────────────────────


class ModelRelease(Record, frozen=True, kw_only=True, gc=False):
    """`btc.models`: one release with its artifact. The newest one with role champion serves; the key is the id."""

    id: str
    kind: Kind
    role: Role
    created_ms: float
    feature_schema: str
    horizons_s: list[int]
    levels: list[float]
    sha256: str  # of the artifact
    artifact: bytes  # see domain/artifact.py; at most 4 MiB
    origin: str = ""  # what it was trained on
    metrics: dict[str, float] = {}  # held-out scores
    expires_ms: float = 0.0  # exchange time after which its forecasts are flagged; 0: never


# ── btc.status ────────────────────────────────────────────────────────────────────────────────────────────────


class Heartbeat(Record, frozen=True, kw_only=True, gc=False):
    """`btc.status`: one process, every five seconds."""

    process: str  # collector, worker, trainer, archive, api, dashboard, …
    instance: str
    pid: int
    at_ms: float
    started_ms: float
    version: str
    cpu_s: float  # since its start
    cpu_percent: float  # of one core, since the last heartbeat
    rss_mb: float
    net_sent_mb: float  # of the machine or container
    net_received_mb: float
    disk_read_mb: float
    disk_written_mb: float
    progress: dict[str, float] = {}  # what it is doing: second, lag, symbols, completeness, …
    errors: dict[str, int] = {}  # kind → count since its start
    note: str = ""  # one line for people: source, reason of a fallback


# ── btc.dead ──────────────────────────────────────────────────────────────────────────────────────────────────


class DeadLetter(Record, frozen=True, kw_only=True, gc=False):
    """`btc.dead`: a message that could not be used, with its topic, partition and offset, and the reason."""

    topic: str
    partition: int
    offset: int
    reason: str
    at_ms: float
    by: str
    payload: bytes = b""  # its first 4 KiB
    size_bytes: int = 0
