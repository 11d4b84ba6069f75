"""The state of the whole system: processes, latency per stage, availability, dead letters, the board's own size."""

import msgspec
import numpy as np

from app.board.rings import Array
from app.board.scores_and_models import tensorflow_role
from app.board.state import HEARTBEAT_TIMEOUT_MS, RESOURCES, BoardState
from app.board.symbols import age_s
from app.board.views import Availability, BoardSize, Dead, DeadLetters, Process, SystemStatus

AVAILABILITY_OBJECTIVE = 0.999
CLOSING_S = 3  # the seconds that are on their way just now are not missing yet


def status(state: BoardState, wall_ms: float) -> SystemStatus:
    """Return the whole system's state."""
    newest = newest_second(state)
    age = age_s(state, newest, wall_ms) if newest is not None else None
    symbols = sum(len(batch.symbols) for batch in state.predictions.values())
    return SystemStatus(
        source=state.settings.source,
        speed=state.settings.speed,
        second=newest,
        age_s=age,
        stale=age is None or age > state.settings.prediction_ttl_s,
        exchange_s=round(state.time.now_s(wall_ms), 3),
        symbols=symbols,
        tensorflow=tensorflow_role(state),
        availability=availability(state, wall_ms),
        latency={stage: durations.get() for stage, durations in state.durations.items()},
        predictions_per_minute=round(symbols * 60.0 * state.settings.speed),
        dead=_dead_letters(state),
        board=_board_size(state),
        processes=processes(state, wall_ms),
    )


def newest_second(state: BoardState) -> int | None:
    """Return the newest second that has a prediction; None before the first."""
    return max((batch.second for batch in state.predictions.values()), default=None)


def availability(state: BoardState, wall_ms: float) -> Availability:
    """Return the share of the ring's seconds that have a prediction, from the first one to the exchange's now."""
    expected = present = 0
    for partition in state.history.partitions.values():
        ring = partition.predictions
        if ring is None or ring.newest < 0:
            continue
        until = max(ring.newest, int(state.time.now_s(wall_ms)) - 1 - CLOSING_S)
        stored = ring.stored_seconds(max(0, until - ring.capacity + 1), ring.newest)
        first = int(stored[0]) if len(stored) else until - ring.capacity + 1
        expected, present = expected + until - first + 1, present + len(stored)
    share = round(present / expected, 6) if expected else None
    return Availability(share=share, seconds=present, expected=expected, objective=AVAILABILITY_OBJECTIVE)


def _dead_letters(state: BoardState) -> DeadLetters:
    shown = [
        Dead(**{name: getattr(dead, name) for name in Dead.__struct_fields__})  # all but the payload
        for dead in reversed(state.dead)
    ]
    return DeadLetters(total=state.dead_total, last=shown)


def _board_size(state: BoardState) -> BoardSize:
    return BoardSize(
        seconds=state.history.capacity,
        bytes=state.size_bytes,
        max_bytes=state.settings.board_max_bytes,
        taken=dict(state.received),
    )


def processes(state: BoardState, wall_ms: float) -> list[Process]:
    """Return every process's newest heartbeat; alive means that it is younger than 15 s of wall time."""
    return [
        Process(
            **msgspec.structs.asdict(beat),
            alive=wall_ms - beat.at_ms < HEARTBEAT_TIMEOUT_MS,
            age_s=round((wall_ms - beat.at_ms) / 1000.0, 1),
        )
        for _, beat in sorted(state.heartbeats.items())
    ]


def resources(state: BoardState, process: str, instance: str) -> dict[str, Array]:
    """Return a process's resources over the last hour: at_ms, cpu_percent, rss_mb, net and disk MB [T]."""
    rows = state.resources.get((process, instance), ())
    table = np.array(list(rows), np.float64).reshape(-1, len(RESOURCES))
    return {name: table[:, at] for at, name in enumerate(RESOURCES)}
