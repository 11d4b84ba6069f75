"""Rows and tiles of the pages, as texts for `markup`."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from app.board.records import Release
from app.board.rings import Array
from app.board.views import (
    Dead,
    Latency,
    Models,
    Other,
    PastBars,
    Prediction,
    Process,
    ServedPrediction,
    SystemStatus,
)
from app.dashboard import formatting, markup
from app.dashboard.feed_charts import rate_per_s
from app.records import Heartbeat, Score

Columns = Mapping[str, Array]
Rows = list[Sequence[str]]
Tile = tuple[str, str, str]

FORECAST = (("Ahead", ""), ("Expected move", "n"), ("Price", "n"), ("50 % interval", "n wide"), ("90 % interval", "n"))
SCORES = (("Model", ""), ("Skill", "n"), ("p", "n"), ("MAE", "n"), ("RMSE", "n"), ("R²", "n wide"),
          ("Direction", "n wide"), ("90 %", "n"), ("50 %", "n wide"), ("Outcomes", "n wide"))  # fmt: skip
RUNNING = (("Model", ""), ("Kind", ""), ("Role", ""), ("Serves", ""))
RELEASES = (("Release", ""), ("Kind", "wide"), ("Role", ""), ("Made", ""), ("Skill, held out", ""),
            ("Learnt from", "wide"), ("Expires", "wide"))  # fmt: skip
SERVED = (("Model", ""), ("From", "n"), ("To", "n"), ("For", "n"))
PROCESSES = (("Process", ""), ("State", ""), ("CPU", "n"), ("Memory", "n"), ("Network ↓ ↑", "n wide"),
             ("Disk r / w", "n wide"), ("Up", "n"), ("Errors", "n wide"), ("Note", "wide"))  # fmt: skip
DEAD = (("When", ""), ("Topic", ""), ("Offset", "wide"), ("Reason", ""))


# ── live ──────────────────────────────────────────────────────────────────────────────────────────────────────


def price_tiles(prediction: ServedPrediction, bars: PastBars) -> list[Tile]:
    """Return price, its change, spread, the model that serves and the age."""
    mid, channels = prediction.mid, bars.channels
    spread = change = None
    if channels and len(bars.second):
        bid, ask, mids = (channels[name] for name in ("bid", "ask", "mid"))
        spread = float((ask[-1] - bid[-1]) / mids[-1] * 1e4) if mids[-1] > 0 else None
        before = mids[-61:][~np.isnan(mids[-61:])]
        change = float(np.log(before[-1] / before[0])) if len(before) > 1 else None
    return [
        ("Mid price", formatting.price(mid), "the middle between best bid and best ask"),
        ("Last minute", f"{formatting.basis_points(change, 1)} bp", "change of the mid, 1 bp = 0.01 %"),
        ("Spread", formatting.number(spread, 3, " bp"), "ask minus bid"),
        ("Served by", str(prediction.model), f"{prediction.kind}, {prediction.role}"),
        ("Age", formatting.number(prediction.age_s, 1, " s"), "exchange time since the second this was made from"),
    ]


def forecast(prediction: ServedPrediction) -> Rows:
    """Return one row per horizon of what is served."""
    return [
        (
            formatting.span(row.horizon_s),
            f"{formatting.basis_points(row.mean)} bp",
            formatting.price(row.price),
            f"{formatting.price(row.prices['0.25'])} … {formatting.price(row.prices['0.75'])}",
            f"{formatting.price(row.prices['0.05'])} … {formatting.price(row.prices['0.95'])}",
        )
        for row in prediction.forecasts
    ]


def opinion_columns(prediction: ServedPrediction) -> list[tuple[str, str]]:
    """Return the columns of `opinions`: the model, and every horizon."""
    ahead = [(formatting.span(row.horizon_s), "n") for row in prediction.forecasts]
    return [("Model", ""), ("Role", "wide"), *ahead]


def opinions(prediction: Prediction) -> Rows:
    """Return one row per model: its expected move at each horizon in basis points."""
    models: list[ServedPrediction | Other] = [prediction, *prediction.others]
    return [
        (str(one.model), str(one.role), *(formatting.basis_points(row.mean) for row in one.forecasts)) for one in models
    ]


# ── accuracy ──────────────────────────────────────────────────────────────────────────────────────────────────


def scores(found: Iterable[Score]) -> Rows:
    """Return one row per model at one horizon."""
    return [
        (
            str(row.model),
            formatting.DASH if row.kind == "naive" else formatting.percent(row.skill, 2),
            formatting.DASH if row.kind == "naive" else formatting.number(row.p_value, 3),
            formatting.number(row.mae * 1e4, 3, " bp"),
            formatting.number(row.rmse * 1e4, 3, " bp"),
            formatting.percent(row.r2, 2),
            formatting.percent(row.direction),
            formatting.percent(row.coverage.get("0.9")),
            formatting.percent(row.coverage.get("0.5")),
            formatting.number(row.n, 0),
        )
        for row in found
    ]


# ── models ────────────────────────────────────────────────────────────────────────────────────────────────────


def running(models: Models) -> Rows:
    """Return one row per model that forecasts, the one that serves first."""
    served = markup.pill("serves", "good")
    order = sorted(models.running, key=lambda row: not row.serves)
    return [(row.model, row.kind, row.role, served if row.serves else "") for row in order]


def releases(found: Iterable[Release]) -> Rows:
    """Return one row per release, newest first."""
    return [
        (
            row.id,
            row.kind,
            row.role,
            formatting.clock(row.created_ms / 1000.0, "%d %b %H:%M"),
            held_out(row.metrics),
            row.origin or formatting.DASH,
            formatting.clock(row.expires_ms / 1000.0, "%d %b %H:%M") if row.expires_ms else "never",
        )
        for row in found
    ]


def held_out(metrics: Mapping[str, float]) -> str:
    """Return the held-out skill per horizon.

    >>> held_out({"skill_5s": 0.021, "skill_60s": 0.004, "rows": 9.0})
    '5 s +2.1 %, 60 s +0.4 %'
    """
    found = {int(name[6:-1]): value for name, value in metrics.items() if name[:6] == "skill_" and name[6:-1].isdigit()}
    return ", ".join(f"{horizon} s {found[horizon] * 100:+.1f} %" for horizon in sorted(found)) or formatting.DASH


def served(spans: Sequence[tuple[str, int, int]]) -> Rows:
    """Return which model served when, newest first."""
    return [
        (model, formatting.clock(first), formatting.clock(last), formatting.span(last - first + 1))
        for model, first, last in reversed(spans[-20:])
    ]


# ── system ────────────────────────────────────────────────────────────────────────────────────────────────────


def processes(found: Iterable[Process], resources: Mapping[str, Columns], now_ms: float) -> Rows:
    """Return one row per process; `resources` is by the name of `label`."""
    return [_process(beat, resources[label(beat)], now_ms) for beat in found]


def label(beat: Heartbeat) -> str:
    """Return a process's name for people, with its replica where it is not the first."""
    return str(beat.process) + (f" {beat.instance}" if beat.instance != "0" else "")


def _process(beat: Process, columns: Columns, now_ms: float) -> Sequence[str]:
    late = f"silent for {formatting.span(beat.age_s)}"
    return (
        label(beat),
        markup.pill("alive", "good") if beat.alive else markup.pill("late", "bad", late),
        formatting.number(beat.cpu_percent, 0, " %"),
        formatting.number(beat.rss_mb, 0, " MB"),
        f"{_rate(columns, 'net_received_mb')} {_rate(columns, 'net_sent_mb')}",
        f"{_rate(columns, 'disk_read_mb')} / {_rate(columns, 'disk_written_mb')}",
        formatting.span((now_ms - beat.started_ms) / 1000.0),
        formatting.number(sum(beat.errors.values()), 0),
        beat.note or formatting.DASH,
    )


def _rate(columns: Columns, name: str) -> str:
    rate = rate_per_s(columns, name)
    return formatting.DASH if rate is None else f"{rate * 1000:,.0f} kB/s" if rate < 1 else f"{rate:,.1f} MB/s"


def objectives(status: SystemStatus) -> list[Tile]:
    """Return the objectives and how they are met."""
    latency, available = status.latency, status.availability
    api: Mapping[str, float] = next(
        (beat.progress for beat in status.processes if beat.process == "api" and beat.alive), {}
    )
    return [
        ("Seconds predicted", formatting.percent(available.share, 2), "share with a prediction; objective 99.9 %"),
        ("Prediction p50", _ms(latency, "predictions", "p50_ms"), "from the second's close; objective below 2 s"),
        ("Prediction p99", _ms(latency, "predictions", "p99_ms"), "from the second's close; objective below 2 s"),
        ("API p99", formatting.number(api.get("p99_ms"), 1, " ms"), "time to answer; objective below 100 ms"),
        ("Apdex", formatting.number(api.get("apdex"), 3), "of requests under /v1/, T = 100 ms; 1 is best"),
        ("Users", formatting.number(visitors(status), 0), "API clients of the last minute, and open dashboard pages"),
        ("Predictions/min", formatting.number(status.predictions_per_minute, 0), "symbols × seconds"),
        ("Dead letters", formatting.number(status.dead.total, 0), "messages set aside since the beginning"),
    ]


def visitors(status: SystemStatus) -> float | None:
    """Return the users of API and dashboard, None while neither reports them."""
    known = [
        beat.progress[name]
        for beat in status.processes if beat.alive
        for process, name in (("api", "users"), ("dashboard", "visitors"))
        if beat.process == process and name in beat.progress
    ]  # fmt: skip
    return sum(known) if known else None


def _ms(latency: Mapping[str, Latency], stage: str, name: str) -> str:
    known = latency.get(stage)
    return formatting.number(getattr(known, name) if known and known.n else None, 1, " ms")


def dead_letters(found: Iterable[Dead]) -> Rows:
    """Return the newest dead letters."""
    return [
        (
            formatting.clock(row.at_ms / 1000.0),
            row.topic,
            f"{row.partition}/{row.offset}",
            row.reason[:160],
        )
        for row in found
    ]
