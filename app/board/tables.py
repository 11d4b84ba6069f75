"""The board's tables: scores, models, feed, status. What enters: its state, the wall time; what leaves: plain dicts."""

import msgspec
import numpy as np

from app.board.exchange_time import spans
from app.board.history import flags_of
from app.board.rings import Array
from app.board.state import LATE_AFTER_MS, RESOURCES, BoardState
from app.board.views import View, age_s, home_of

AVAILABILITY_OBJECTIVE = 0.999
CLOSING_S = 3  # the seconds that are on their way just now are not missing yet
DEAD_LETTER = ("topic", "partition", "offset", "reason", "at_ms", "by", "size_bytes")  # what is shown of one


def scores(state: BoardState, symbol: str | None) -> View:
    """Return the running scores per symbol, model and horizon; symbol `*` is the mean over a partition's symbols."""
    if symbol not in {None, "*"}:
        home_of(state, str(symbol))
    rows = [
        {"partition": partition, "second": second, **msgspec.structs.asdict(score)}
        for (partition, name, _, _), (second, score) in sorted(state.scores.items(), key=lambda item: item[0])
        if symbol in {None, name}
    ]
    totals: dict[str, int] = {}
    for settled in state.settled_total.values():
        for horizon, count in settled.items():
            totals[horizon] = totals.get(horizon, 0) + count
    return {"scores": rows, "settled_total": totals}


def models(state: BoardState) -> View:
    """Return who forecasts now, and every release, newest first."""
    running: dict[str, View] = {}
    for batch in state.predictions.values():
        for forecast in batch.forecasts:
            running[forecast.model] = {
                "model": forecast.model,
                "kind": forecast.kind,
                "role": forecast.role,
                "serves": forecast.model == batch.champion,
            }
    releases = sorted(state.releases.values(), key=lambda release: -release.created_ms)
    champion = next((name for name, model in running.items() if model["serves"]), None)
    return {
        "champion": champion,
        "tensorflow": tensorflow_role(state),
        "running": list(running.values()),
        "releases": [msgspec.structs.asdict(release) for release in releases],
    }


def tensorflow_role(state: BoardState) -> str:
    """Return what TensorFlow's model is now: champion, challenger, or none."""
    roles = {
        "champion" if forecast.model == batch.champion else "challenger"
        for batch in state.predictions.values()
        for forecast in batch.forecasts
        if forecast.kind == "tensorflow"
    }
    return "champion" if "champion" in roles else "challenger" if roles else "none"


def feed(state: BoardState, wall_ms: float) -> View:
    """Return each symbol's feed: its newest second, flags, and the holes of the last hour."""
    rows = [_feed_of(state, symbol, wall_ms) for symbol in sorted(state.history.homes)]
    collectors = [
        {"instance": beat.instance, "alive": wall_ms - beat.at_ms < LATE_AFTER_MS, "note": beat.note, **beat.progress}
        for (process, _), beat in sorted(state.heartbeats.items())
        if process == "collector"
    ]
    return {"source": state.settings.source, "symbols": rows, "collectors": collectors}


def _feed_of(state: BoardState, symbol: str, wall_ms: float) -> View:
    partition = state.history.homes[symbol]
    ring = state.history.lanes[partition].bars
    newest = ring.newest if ring else -1
    if ring is None or newest < 0 or symbol not in ring.columns:
        return {"symbol": symbol, "partition": partition, "second": None, "age_s": None, "stale": True, "flags": [],
                "completeness": None, "missing_s": 0, "gapped_s": 0, "late_s": 0, "gaps": []}  # fmt: skip
    found = ring.read(symbol, newest - 3600 + 1, newest)
    seconds, marks = found["second"], found["marks"]
    absent = np.setdiff1d(np.arange(seconds[0], newest + 1), seconds, assume_unique=True)
    gapped, late = seconds[(marks & 1) > 0], int(np.count_nonzero(marks & 2))
    holes = [("missing", *span) for span in spans(absent)] + [("gapped", *span) for span in spans(gapped)]
    age = age_s(state, newest, wall_ms)
    return {
        "symbol": symbol,
        "partition": partition,
        "second": newest,
        "age_s": age,
        "stale": age > state.settings.prediction_ttl_s,
        "flags": flags_of(int(marks[-1])),
        "completeness": round(1.0 - (len(absent) + len(gapped)) / (newest - int(seconds[0]) + 1), 6),
        "missing_s": len(absent),
        "gapped_s": len(gapped),
        "late_s": late,
        "gaps": [
            {"kind": kind, "from": int(first), "to": int(last)}
            for kind, first, last in sorted(holes, key=lambda hole: -hole[2])[:20]
        ],
    }


# ── status ────────────────────────────────────────────────────────────────────────────────────────────────────


def processes(state: BoardState, wall_ms: float) -> list[View]:
    """Return every process's newest heartbeat; alive means heard of in the last 15 s of wall time."""
    return [
        {
            **msgspec.structs.asdict(beat),
            "alive": wall_ms - beat.at_ms < LATE_AFTER_MS,
            "age_s": round((wall_ms - beat.at_ms) / 1000.0, 1),
        }
        for _, beat in sorted(state.heartbeats.items())
    ]


def resources(state: BoardState, process: str, instance: str) -> dict[str, Array]:
    """Return a process's resources over the last hour: at_ms, cpu_percent, rss_mb, net and disk MB [T]."""
    rows = state.resources.get((process, instance), ())
    table = np.array(list(rows), np.float64).reshape(-1, len(RESOURCES))
    return {name: table[:, place] for place, name in enumerate(RESOURCES)}


def availability(state: BoardState, wall_ms: float) -> View:
    """Return the share of the ring's seconds that have a prediction, from the first one to the exchange's now."""
    expected = present = 0
    for lane in state.history.lanes.values():
        ring = lane.predictions
        if ring is None or ring.newest < 0:
            continue
        until = max(ring.newest, int(state.time.now_s(wall_ms)) - 1 - CLOSING_S)
        here = ring.present(max(0, until - ring.capacity + 1), ring.newest)
        first = int(here[0]) if len(here) else until - ring.capacity + 1
        expected, present = expected + until - first + 1, present + len(here)
    share = round(present / expected, 6) if expected else None
    return {"share": share, "seconds": present, "expected": expected, "objective": AVAILABILITY_OBJECTIVE}


def status(state: BoardState, wall_ms: float) -> View:
    """Return the whole system's state: processes, latencies, availability, dead letters, what the board holds."""
    newest = max((batch.second for batch in state.predictions.values()), default=None)
    age = age_s(state, newest, wall_ms) if newest is not None else None
    symbols = sum(len(batch.symbols) for batch in state.predictions.values())
    return {
        "source": state.settings.source,
        "speed": state.settings.speed,
        "second": newest,
        "age_s": age,
        "stale": age is None or age > state.settings.prediction_ttl_s,
        "exchange_s": round(state.time.now_s(wall_ms), 3),
        "symbols": symbols,
        "tensorflow": tensorflow_role(state),
        "availability": availability(state, wall_ms),
        "latency": {stage: durations.get() for stage, durations in state.durations.items()},
        "predictions_per_minute": round(symbols * 60.0 * state.settings.speed),
        "dead": {
            "total": state.dead_total,
            "last": [{name: getattr(dead, name) for name in DEAD_LETTER} for dead in reversed(state.dead)],
        },
        "board": {
            "seconds": state.history.capacity,
            "bytes": state.size_bytes,
            "max_bytes": state.settings.board_max_bytes,
            "taken": dict(state.taken),
        },
        "processes": processes(state, wall_ms),
    }
