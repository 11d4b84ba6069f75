"""The board: the one read model of the topics, in memory. What enters: records; what leaves: answers.

The API and every dashboard hold one of their own: nothing is shared, nothing is invalidated. It follows the topics
without a group, fills itself from their tails and goes on through restarts of the brokers.

>>> board = Board(Settings())
>>> board.ready, board.symbols
(False, ())
"""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

from app import metrics
from app.board import tables, views
from app.board.follower import Follower
from app.board.records import Shown, check
from app.board.rings import ALL, Array
from app.board.state import BoardState
from app.board.views import UnknownSymbolError, View
from app.clock import wall_ms
from app.logs import logger
from app.settings import Settings

__all__ = ["Board", "UnknownSymbolError", "View", "in_thread"]

log = logger("board")
Listener = Callable[[frozenset[int]], None]


class Board:
    """What is true now and what was in the last hour. Reading is safe from any thread.

    Columns take `seconds` (the newest so many) or `since` and `until` (both included, exchange time), and of those
    what `pick` names: `slice(-300, None)` the newest 300, `slice(300)` the oldest.
    """

    def __init__(self, settings: Settings, now_ms: Callable[[], float] = wall_ms) -> None:
        self.settings = settings
        self._now_ms = now_ms
        self.lock = threading.RLock()
        self.state = BoardState(settings)
        self._listeners: list[Listener] = []
        self._follower = Follower(settings, self)
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
    def ready(self) -> bool:
        """True once the board was filled from the topics' tails."""
        return self._follower.filled

    @property
    def trouble(self) -> str:
        """Why the topics are not followed now, as one line; "" when they are."""
        return self._follower.trouble

    async def wait_ready(self) -> None:
        """Wait until the board is filled."""
        await self._follower.filled_event.wait()

    def take(self, records: list[Shown], *, arrived_ms: float | None = None) -> None:
        """Take in records and tell the listeners which partitions have a newer prediction.

        `arrived_ms` is the wall time of arrival; None for what only fills the board.
        """
        with self.lock:
            fresh = {self._take(record, arrived_ms) for record in records} - {None}
        partitions = frozenset(partition for partition in fresh if partition is not None)
        if partitions:
            metrics.BOARD_SECOND.set(max(self.state.predictions[partition].second for partition in partitions))
            metrics.BOARD_BYTES.set(self.state.size_bytes)
            for listener in tuple(self._listeners):
                listener(partitions)

    def _take(self, record: Shown, arrived_ms: float | None) -> int | None:
        try:
            check(record, self.settings.partitions)
            return self.state.take(record, arrived_ms)
        except (ValueError, OverflowError) as error:
            metrics.ERRORS.labels(process="board", kind="unusable").inc()
            log.warning("not for the board", record=type(record).__name__, reason=str(error))
            return None

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` in the board's loop with the partitions of newer predictions; return how to end it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    # ── reading ───────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def versions(self) -> Counter[str]:
        """Rising numbers: predictions, bars, outcomes, models, status."""
        return self.state.versions

    @property
    def version(self) -> int:
        """Rises with every change of anything."""
        return self.state.versions.total()

    @property
    def symbols(self) -> tuple[str, ...]:
        """Those seen, in alphabetical order."""
        with self.lock:
            return tuple(sorted(self.state.history.homes))

    def need(self, symbol: str) -> None:
        """Raise UnknownSymbolError, which names the known ones, unless the symbol was seen."""
        with self.lock:
            views.home_of(self.state, symbol)

    @property
    def partitions(self) -> dict[str, int]:
        """Symbol → partition."""
        return self.state.history.homes

    @property
    def horizons_s(self) -> tuple[int, ...]:
        """The horizons forecast, as seen in the predictions; the settings' before the first."""
        shape = self.state.history.shape
        return shape.horizons_s if shape else self.settings.horizons_s

    @property
    def oldest(self) -> int:
        """The first second the rings could hold, exchange time; 0 before the first batch."""
        newest = [ring.newest for lane in self.state.history.lanes.values() for ring in lane.rings]
        return max(0, max(newest, default=0) - self.state.history.capacity + 1)

    @property
    def tensorflow(self) -> str:
        """What TensorFlow's model is now: champion, challenger or none."""
        with self.lock:
            return tables.tensorflow_role(self.state)

    def exchange_s(self) -> float:
        """Return the exchange's time now, epoch seconds; 0 before the first batch."""
        return self.state.time.now_s(self._now_ms())

    def latest(self, symbol: str | None = None, *, all_models: bool = True) -> View:
        """Return {source, predictions: [newest per symbol]}; see `board_views.prediction`."""
        with self.lock:
            return views.latest(self.state, symbol, self._now_ms(), all_models=all_models)

    def history(self, symbol: str, seconds: int = 3600, *, since: int | None = None, until: int | None = None,
                pick: slice = ALL) -> View:  # fmt: skip
        """Return past predictions as columns: the last `seconds`, or [since, until]; see `board_views.history`."""
        with self.lock:
            return views.history(self.state, symbol, *self._window(seconds, since, until), pick)

    def bars(self, symbol: str, seconds: int = 3600, *, since: int | None = None, until: int | None = None,
             pick: slice = ALL) -> View:  # fmt: skip
        """Return one-second bars as columns: {symbol, second [T], flags [T], channels {name: [T]}}."""
        with self.lock:
            return views.bars(self.state, symbol, *self._window(seconds, since, until), pick)

    def outcomes(self, symbol: str, horizon_s: int, seconds: int = 3600, *, since: int | None = None,
                 until: int | None = None, pick: slice = ALL) -> View:  # fmt: skip
        """Return settled forecasts of one horizon as columns: second, model, mean, quantiles {level: [T]}, realised."""
        first, last = self._window(seconds, since, until)
        with self.lock:
            return views.outcomes(self.state, symbol, horizon_s, since=first, until=last, pick=pick)

    def _window(self, seconds: int, since: int | None, until: int | None) -> tuple[int, int]:
        with self.lock:
            known = [*self.state.predictions.values(), *self.state.bars.values()]
        newest = max((batch.second for batch in known), default=0)
        last = newest if until is None else until
        return (last - seconds + 1 if since is None else since), last

    def scores(self, symbol: str | None = None) -> View:
        """Return {scores: [one row per partition, symbol, model, horizon], settled_total {horizon: pairs}}."""
        with self.lock:
            return tables.scores(self.state, symbol)

    def models(self) -> View:
        """Return {champion, tensorflow: champion | challenger | none, running, releases newest first}."""
        with self.lock:
            return tables.models(self.state)

    def feed(self) -> View:
        """Return {source, symbols: [second, flags, completeness, gaps, …], collectors}."""
        with self.lock:
            return tables.feed(self.state, self._now_ms())

    def status(self) -> View:
        """Return the system's state: processes, latency per stage, availability, dead letters, the board itself."""
        with self.lock:
            return {**tables.status(self.state, self._now_ms()), "ready": self.ready, "trouble": self.trouble}

    def resources(self, process: str, instance: str) -> dict[str, Array]:
        """Return a process's cpu, memory, network and disk over the last hour, one row per heartbeat."""
        with self.lock:
            return tables.resources(self.state, process, instance)


def in_thread(settings: Settings) -> Board:
    """Return a board that follows the topics in a daemon thread of its own: for processes without a loop."""
    board = Board(settings)

    async def follow() -> None:
        await board.start()
        await asyncio.Event().wait()

    threading.Thread(target=lambda: asyncio.run(follow()), name="board", daemon=True).start()
    return board
