"""Statistics of a run from its topics: seconds, latencies, models and errors.

`collected` counts exchange seconds; a second is `predicted` when every partition that was collected has a prediction
for it, `lost` when it lies between the first and the last collected and is not predicted. `repeated` counts messages
beyond the first for the same partition and second. `settled` counts (symbol, second) pairs per horizon; a pair is
settled twice when the worker's own running count is larger than the distinct pairs it published.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

import msgspec

from app.domain.acceptance import NO_SECOND
from app.kafka import topics
from app.kafka.reading import read_newest, read_records, topic_partitions
from app.settings import Settings

MOST_FENCES = 8  # of owners that took over a partition since its newest second


class _Batch(msgspec.Struct):
    partition: int
    second: int
    closed_ms: float
    sent_ms: float = 0.0


class _Forecast(msgspec.Struct):
    model: str
    kind: str
    role: str


class _Prediction(_Batch):
    forecasts: list[_Forecast] = []


class _Settlement(msgspec.Struct):
    horizon_s: int
    symbols: list[str] = []


class _Outcome(_Batch):
    settled: list[_Settlement] = []
    settled_total: dict[str, int] = {}


class _Heartbeat(msgspec.Struct):
    process: str
    pid: int
    errors: dict[str, int] = {}


@dataclass
class TopicStatistics:
    """The counts and durations of one run."""

    collected: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))  # second → partitions
    predicted: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))
    repeated: int = 0
    settled: Counter[str] = field(default_factory=Counter)  # horizon → pairs published
    settled_total: Counter[str] = field(default_factory=Counter)  # horizon → pairs as the worker counted them
    features_ms: list[float] = field(default_factory=list)
    prediction_ms: list[float] = field(default_factory=list)
    models: list[dict[str, Any]] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    dead: int = 0

    def seconds(self) -> dict[str, Any]:
        """Return the counts of the report's `seconds`."""
        span = range(min(self.collected), max(self.collected) + 1) if self.collected else range(0)
        done = {second for second, each in self.collected.items() if each <= self.predicted.get(second, set())}
        horizons = sorted(self.settled | self.settled_total, key=int)
        return {
            "collected": len(self.collected),
            "predicted": len(done),
            "settled": {horizon: self.settled[horizon] for horizon in horizons},
            "lost": len(set(span) - done),
            "repeated": self.repeated,
            "settled_twice": sum(max(0, self.settled_total[h] - self.settled[h]) for h in horizons),
        }


async def read_statistics(settings: Settings) -> TopicStatistics:
    """Read every topic of a run and count what it holds; raises KafkaError."""
    statistics = TopicStatistics()
    await _read_ticks(settings, statistics)
    await _read_features(settings, statistics)
    await _read_predictions(settings, statistics)
    await _read_outcomes(settings, statistics)
    await _read_errors(settings, statistics)
    return statistics


async def newest_seconds(settings: Settings, spec: topics.TopicSpec) -> dict[int, int]:
    """Return the newest second of each partition that has any message; raises KafkaError."""
    newest = await read_newest(settings, topic_partitions(settings, spec), count=1 + MOST_FENCES)
    decode = msgspec.json.Decoder(_Batch).decode
    seconds = {one.partition: max(decode(message.value).second for message in messages)
               for one, messages in newest.items()}  # fmt: skip
    return {partition: second for partition, second in seconds.items() if second != NO_SECOND}


async def _read_ticks(settings: Settings, statistics: TopicStatistics) -> None:
    async for batch in read_records(settings, topics.TICKS, _Batch):
        if batch.second == NO_SECOND:
            continue
        statistics.repeated += batch.partition in statistics.collected[batch.second]
        statistics.collected[batch.second].add(batch.partition)


async def _read_features(settings: Settings, statistics: TopicStatistics) -> None:
    first: dict[tuple[int, int], float] = {}
    async for batch in read_records(settings, topics.FEATURES, _Batch):
        first.setdefault((batch.partition, batch.second), batch.sent_ms - batch.closed_ms)
    statistics.features_ms = list(first.values())


async def _read_predictions(settings: Settings, statistics: TopicStatistics) -> None:
    roles: dict[str, str] = {}
    start_ms = None
    async for batch in read_records(settings, topics.PREDICTIONS, _Prediction):
        if batch.partition in statistics.predicted[batch.second]:
            statistics.repeated += 1
            continue
        statistics.predicted[batch.second].add(batch.partition)
        statistics.prediction_ms.append(batch.sent_ms - batch.closed_ms)
        start_ms = start_ms or batch.sent_ms
        for one in batch.forecasts:
            if roles.get(one.model) != one.role:
                roles[one.model] = one.role
                at_s = round((batch.sent_ms - start_ms) / 1000.0, 1)
                statistics.models.append({"id": one.model, "kind": one.kind, "role": one.role, "at_s": at_s})


async def _read_outcomes(settings: Settings, statistics: TopicStatistics) -> None:
    seen: set[tuple[int, int]] = set()
    newest: dict[int, _Outcome] = {}
    async for batch in read_records(settings, topics.OUTCOMES, _Outcome):
        if (batch.partition, batch.second) in seen:
            continue  # readers drop a second they have
        seen.add((batch.partition, batch.second))
        newest[batch.partition] = batch
        for one in batch.settled:
            statistics.settled[str(one.horizon_s)] += len(one.symbols)
    for last in newest.values():
        statistics.settled_total.update(last.settled_total)


async def _read_errors(settings: Settings, statistics: TopicStatistics) -> None:
    newest: dict[tuple[str, int], _Heartbeat] = {}
    async for heartbeat in read_records(settings, topics.STATUS, _Heartbeat):
        newest[heartbeat.process, heartbeat.pid] = heartbeat
    for last in newest.values():
        statistics.errors.update(last.errors)
    async for _letter in read_records(settings, topics.DEAD, msgspec.Struct):
        statistics.dead += 1
    if statistics.dead:
        statistics.errors["dead_letters"] = statistics.dead
