"""The board: the read model of the topics, in the memory of the API and dashboard processes.

The API and every dashboard hold one of their own: nothing is shared, nothing is invalidated. It follows the topics
without a consumer group, fills itself from their tails and goes on through restarts of the brokers.

>>> board = Board(Settings())
>>> board.is_ready, board.symbols
(False, ())
"""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import get_args

from app import metrics
from app.board import columns, feed, latest, scores_and_models, status
from app.board.records import BoardRecord, check_columns
from app.board.rings import ALL, Array
from app.board.state import BoardState
from app.board.symbols import UnknownSymbolError, partition_of
from app.board.topic_follower import Follower
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
)
from app.clock import wall_ms
from app.logs import logger
from app.records import Stream
from app.service import limits
from app.settings import Settings

__all__ = ["Board", "UnknownSymbolError"]

SILENT = 3.0  # times `STUCK_S`: many heartbeats
log = logger("board")
Listener = Callable[[frozenset[int]], None]


class Board:
    """The present and the last hour. Reading is safe from any thread.

    Columns take `seconds` (the newest so many) or `since` and `until` (both included, exchange time), and of those
    what `pick` names: `slice(-300, None)` the newest 300, `slice(300)` the oldest.
    """

    def __init__(self, settings: Settings, now_ms: Callable[[], float] = wall_ms) -> None:
        self.settings = settings
        self._now_ms = now_ms
        self._lock = threading.RLock()
        self._state = BoardState(settings)
        self._listeners: list[Listener] = []
        self._follower = Follower(settings, self._state, self._update_from_topics)
        self._task: asyncio.Task[None] | None = None

    # ── following ─────────────────────────────────────────────────────────────────────────────────────────────

    async def start(self) -> None:
        """Begin to follow the topics, in the running loop; returns at once."""
        self._task = asyncio.create_task(self._follower.run(), name="board")

    async def stop(self) -> None:
        """Stop following; what is on the board stays readable."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    @property
    def is_ready(self) -> bool:
        """True once the board was filled from the topics' tails."""
        return self._follower.filled.is_set()

    @property
    def not_following_reason(self) -> str:
        """Why the topics are not followed now, in one sentence; "" when they are."""
        return self._follower.not_following_reason

    def not_ready_reason(self) -> str:
        """Return why there is nothing to show yet, or "" once the board was filled."""
        return "" if self.is_ready else self.not_following_reason or "the board is being filled from the topics"

    def stall_reason(self, kafka_answering_s: float) -> str:
        """Return why this process must be restarted, or "": while Kafka answers there is always something to read.

        Every process sends a heartbeat each five seconds, also the one that holds this board.
        """
        silent_s = self._follower.silent_s
        is_stuck = min(silent_s, kafka_answering_s) > SILENT * limits.STUCK_S
        return f"no message was read for {silent_s:.0f} s" if is_stuck else ""

    async def wait_ready(self) -> None:
        """Wait until the board is filled."""
        await self._follower.filled.wait()

    def update(self, records: list[BoardRecord], *, arrived_ms: float | None = None) -> None:
        """Add records and call the listeners with the partitions that have a newer prediction.

        `arrived_ms` is the wall time of arrival; None for what only fills the board.
        """
        with self._lock:
            newer = frozenset(partition for record in records
                              if (partition := self._add(record, arrived_ms)) is not None)  # fmt: skip
        if newer:
            for listener in tuple(self._listeners):
                listener(newer)

    def _update_from_topics(self, records: list[BoardRecord], *, arrived_ms: float | None = None) -> None:
        self.update(records, arrived_ms=arrived_ms)
        # Not in `update`: a board of examples, from which the API's documentation is made, is not what is shown.
        metrics.BOARD_SECOND.set(self.newest_second or 0)
        metrics.BOARD_BYTES.set(self._state.size_bytes)
        self._export_gaps()

    def _export_gaps(self) -> None:
        with self._lock:
            oldest_ms, now_ms = self._state.gaps.oldest_open_ms(), self.exchange_s() * 1000.0
        for stream in get_args(Stream):
            age_ms = now_ms - oldest_ms[stream] if stream in oldest_ms else 0.0
            metrics.BOARD_GAP_AGE.labels(stream).set(max(0.0, age_ms / 1000.0))

    def _add(self, record: BoardRecord, arrived_ms: float | None) -> int | None:
        try:
            check_columns(record, self.settings.partitions)
            return self._state.update(record, arrived_ms)
        except (ValueError, OverflowError) as error:
            metrics.ERRORS.labels(process="board", kind="unusable").inc()
            log.warning("record refused", record=type(record).__name__, reason=str(error))
            return None

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` in the board's loop with the partitions of newer predictions; return how to end it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    # ── facts ─────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def versions(self) -> Counter[str]:
        """Rising numbers: predictions, bars, outcomes, gaps, models, status."""
        return self._state.versions

    @property
    def size_bytes(self) -> int:
        """Bytes the board holds."""
        return self._state.size_bytes

    @property
    def symbols(self) -> tuple[str, ...]:
        """The symbols of all batches so far, in alphabetical order."""
        with self._lock:
            return tuple(sorted(self._state.history.partition_of))

    def require_symbol(self, symbol: str) -> None:
        """Raise UnknownSymbolError, which names the known ones, unless the symbol is known."""
        with self._lock:
            partition_of(self._state, symbol)

    @property
    def partition_of(self) -> dict[str, int]:
        """Symbol → partition."""
        return self._state.history.partition_of

    @property
    def horizons_s(self) -> tuple[int, ...]:
        """The horizons of the newest predictions; the settings' before the first."""
        shape = self._state.history.shape
        return shape.horizons_s if shape else self.settings.horizons_s

    @property
    def newest_second(self) -> int | None:
        """The newest second that has a prediction; None before the first."""
        with self._lock:
            return status.newest_second(self._state)

    def newest_seconds(self, partitions: Collection[int]) -> set[int]:
        """Return the newest seconds of those partitions that have a prediction: one second where all are level."""
        known = self._state.predictions
        return {known[partition].second for partition in partitions if partition in known}

    def oldest_bar(self, symbol: str) -> int | None:
        """Return the oldest second whose bars are held in the symbol's partition; None without any."""
        with self._lock:
            return self._state.history.partitions[partition_of(self._state, symbol)].oldest_bar

    def oldest_prediction(self, symbol: str) -> int | None:
        """Return the oldest second whose predictions are held in the symbol's partition; None without any."""
        with self._lock:
            return self._state.history.partitions[partition_of(self._state, symbol)].oldest_prediction

    @property
    def tensorflow(self) -> str:
        """What TensorFlow's model is now: champion, challenger or none."""
        with self._lock:
            return scores_and_models.tensorflow_role(self._state)

    def exchange_s(self) -> float:
        """Return the exchange's time now, epoch seconds; 0 before the first batch."""
        return self._state.time.now_s(self._now_ms())

    # ── views ─────────────────────────────────────────────────────────────────────────────────────────────────

    def latest(self, symbol: str | None = None) -> LatestPredictions:
        """Return the newest prediction of one symbol, or of all, with what every model forecasts."""
        with self._lock:
            return latest.latest(self._state, symbol, self._now_ms())

    def served(self, symbol: str | None = None) -> list[ServedPrediction]:
        """Return the newest prediction of one symbol, or of all, without the models that do not serve."""
        with self._lock:
            return latest.served(self._state, symbol, self._now_ms())

    def history(self, symbol: str, seconds: int = 3600, *, since: int | None = None, until: int | None = None,
                pick: slice = ALL) -> PastPredictions:  # fmt: skip
        """Return past predictions as columns: the last `seconds`, or [since, until]; see `columns.history`."""
        with self._lock:
            return columns.history(self._state, symbol, *self._window(seconds, since, until), pick)

    def bars(self, symbol: str, seconds: int = 3600, *, since: int | None = None, until: int | None = None,
             pick: slice = ALL) -> PastBars:  # fmt: skip
        """Return one-second bars as columns: the last `seconds`, or [since, until]."""
        with self._lock:
            return columns.bars(self._state, symbol, *self._window(seconds, since, until), pick)

    def outcomes(self, symbol: str, horizon_s: int, seconds: int = 3600, *, since: int | None = None,
                 until: int | None = None, pick: slice = ALL) -> PastOutcomes:  # fmt: skip
        """Return the settled forecasts of one horizon as columns: of the last `seconds`, or of [since, until]."""
        with self._lock:
            past = columns.history(self._state, symbol, *self._window(seconds, since, until))
        return columns.settled(past, horizon_s, pick)

    def _window(self, seconds: int, since: int | None, until: int | None) -> tuple[int, int]:
        known = [*self._state.predictions.values(), *self._state.bars.values()]
        newest = max((batch.second for batch in known), default=0)
        last = newest if until is None else until
        return (last - seconds + 1 if since is None else since), last

    def scores(self, symbol: str | None = None) -> Scores:
        """Return the running scores of one symbol or of all, and how many forecasts were settled per horizon."""
        with self._lock:
            return scores_and_models.scores(self._state, symbol)

    def models(self) -> Models:
        """Return the champion, TensorFlow's role, the models that forecast now, and every release, newest first."""
        with self._lock:
            return scores_and_models.models(self._state)

    def feed(self) -> Feed:
        """Return each symbol's newest second, flags, completeness and gaps, and the collectors' progress."""
        with self._lock:
            return feed.feed(self._state, self._now_ms())

    def status(self) -> SystemStatus:
        """Return the system's state: processes, latency per stage, availability, dead letters, the board itself."""
        with self._lock:
            return status.status(self._state, self._now_ms())

    def resources(self, process: str, instance: str) -> dict[str, Array]:
        """Return a process's cpu, memory, network and disk over the last hour, one row per heartbeat."""
        with self._lock:
            return status.resources(self._state, process, instance)
