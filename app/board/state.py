"""The board's state: the newest records of every topic, in whatever order the topics bring them.

A second that is stored already is dropped: the first one wins. A superseded batch is refused (`domain/acceptance.py`).
Every kind of answer has a version, which rises when something changed for it.
"""

from collections import Counter, OrderedDict, deque

from app import metrics
from app.board.exchange_time_estimate import Durations, ExchangeTime
from app.board.history import BoardHistory, ForecastShape
from app.board.known_gaps import KnownGaps
from app.board.records import Bars, BoardRecord, Release
from app.domain.acceptance import refusal_reason
from app.domain.forecast import LEVELS
from app.records import Batch, DeadLetter, Gap, Heartbeat, OutcomeBatch, PredictionBatch, Score
from app.settings import Settings

RELEASES = 200  # the newest ones
HEARTBEAT_TIMEOUT_MS = 15_000.0
FORGOTTEN_AFTER_MS = 3_600_000.0  # a process without heartbeats for so long is no longer listed
SCORE_BYTES = 1_200  # one Score in memory, measured
RESOURCES = ("at_ms", "cpu_percent", "rss_mb", "net_sent_mb", "net_received_mb", "disk_read_mb", "disk_written_mb")
Prices = tuple[list[list[float]], list[list[list[float]]]]  # expected [S][H], quantiles [S][H][Q]
ScoreKey = tuple[int, str, str, int]  # partition, symbol, model, horizon


class BoardState:
    """Everything a board holds."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.history = BoardHistory(
            settings.board_history_s, settings.board_max_bytes * 3 // 4, ForecastShape(settings.horizons_s, LEVELS)
        )
        self.time = ExchangeTime(settings.speed)
        self.versions: Counter[str] = Counter()
        self.predictions: dict[int, PredictionBatch] = {}  # partition → its newest
        self.prices: dict[int, tuple[PredictionBatch, dict[str, Prices]]] = {}  # the newest ones in prices
        self.bars: dict[int, Bars] = {}
        self.scores: dict[ScoreKey, tuple[int, Score]] = {}
        self.settled_total: dict[int, dict[str, int]] = {}
        self.gaps = KnownGaps()
        self.releases: dict[str, Release] = {}
        self.heartbeats: dict[tuple[str, str], Heartbeat] = {}
        self.resources: dict[tuple[str, str], deque[tuple[float, ...]]] = {}
        self.dead: deque[DeadLetter] = deque(maxlen=20)
        self.dead_total = 0
        self.durations: OrderedDict[str, Durations] = OrderedDict(
            (stage, Durations()) for stage in ("close", "features", "predictions", "outcomes", "board")
        )
        self.received: Counter[str] = Counter()
        self._generations: dict[tuple[type, int], int] = {}

    @property
    def size_bytes(self) -> int:
        """Bytes of the rings and, estimated, of the scores."""
        return self.history.size_bytes + SCORE_BYTES * len(self.scores)

    def update(self, record: BoardRecord, arrived_ms: float | None) -> int | None:
        """Add one record; return the partition whose newest prediction it is, or None.

        `arrived_ms` is the wall time of arrival, None for what is read to fill the board.
        """
        self.received[type(record).__name__] += 1
        match record:
            case PredictionBatch():
                return self._prediction(record, arrived_ms)
            case Bars():
                self._bars(record)
            case OutcomeBatch():
                self._outcome(record)
            case Gap():
                self.versions["gaps"] += self.gaps.update(record)
            case Release():
                self._release(record)
            case Heartbeat():
                self._heartbeat(record)
            case DeadLetter():
                self.dead.append(record)
                self.versions["status"] += 1
        return None

    def _is_superseded(self, batch: Batch) -> bool:
        key = (type(batch), batch.partition)
        if refusal_reason(batch, last_generation=self._generations.get(key, 0)):
            metrics.SUPERSEDED.labels(stage="board").inc()
            return True
        self._generations[key] = batch.generation
        return False

    def _bars(self, batch: Bars) -> None:
        if self._is_superseded(batch):
            return
        if not self.history.store_bars(batch):
            metrics.REPEATED.labels(stage="board").inc()
            return
        self.versions["bars"] += 1
        self.time.update(batch.second, batch.closed_ms)
        self._time_close(batch)
        self.durations["features"].update(batch.sent_ms - batch.closed_ms)
        if batch.partition not in self.bars or batch.second > self.bars[batch.partition].second:
            self.bars[batch.partition] = batch

    def _time_close(self, batch: Bars) -> None:
        delay_ms = batch.closed_ms - (batch.second + 1) * 1000.0
        if self.settings.speed == 1 and abs(delay_ms) < 60_000.0:  # the exchange's clock is the wall clock
            self.durations["close"].update(delay_ms)

    def _prediction(self, batch: PredictionBatch, arrived_ms: float | None) -> int | None:
        if self._is_superseded(batch):
            return None
        if not self.history.store_predictions(batch):
            metrics.REPEATED.labels(stage="board").inc()
            return None
        self.versions["predictions"] += 1
        self.time.update(batch.second, batch.closed_ms)
        self.durations["predictions"].update(batch.sent_ms - batch.closed_ms)
        if arrived_ms is not None:
            self.durations["board"].update(arrived_ms - batch.closed_ms)
        newest = self.predictions.get(batch.partition)
        if newest is not None and newest.second >= batch.second:
            return None
        self.predictions[batch.partition] = batch
        return batch.partition

    def _outcome(self, batch: OutcomeBatch) -> None:
        if self._is_superseded(batch):
            return
        self.history.store_outcomes(batch)
        self.durations["outcomes"].update(batch.sent_ms - batch.closed_ms)
        for score in batch.scores:
            key = (batch.partition, score.symbol, score.model, score.horizon_s)
            if batch.second >= self.scores.get(key, (-1,))[0]:
                self.scores[key] = (batch.second, score)
        self.settled_total[batch.partition] = batch.settled_total
        self.versions["outcomes"] += 1
        if batch.second % 60 == 0:
            self._remove_old_scores(batch)

    def _remove_old_scores(self, batch: OutcomeBatch) -> None:
        # A model that is no longer scored is removed when its scores are an hour old.
        old = [key for key, (second, _) in self.scores.items() if key[0] == batch.partition
               and second < batch.second - 3600]  # fmt: skip
        for key in old:
            del self.scores[key]

    def _release(self, release: Release) -> None:
        self.releases[release.id] = release
        self.versions["models"] += 1
        if len(self.releases) > RELEASES:
            del self.releases[min(self.releases, key=lambda name: self.releases[name].created_ms)]

    def remove_release(self, name: str) -> None:
        """Remove a release that was deleted from its topic."""
        if self.releases.pop(name, None):
            self.versions["models"] += 1

    def remove_gap(self, name: str) -> None:
        """Remove a gap that was deleted from its topic."""
        self.versions["gaps"] += self.gaps.remove(name)

    def _heartbeat(self, beat: Heartbeat) -> None:
        key = (beat.process, beat.instance)
        self.heartbeats[key] = beat
        row = tuple(float(getattr(beat, name)) for name in RESOURCES)
        self.resources.setdefault(key, deque(maxlen=720)).append(row)  # an hour
        self.versions["status"] += 1
        for silent in [key for key, known in self.heartbeats.items() if known.at_ms < beat.at_ms - FORGOTTEN_AFTER_MS]:
            del self.heartbeats[silent], self.resources[silent]
