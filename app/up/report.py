"""What an unattended run did, read back from its topics. What enters: Kafka and the supervisor; what leaves: one dict.

`collected` counts exchange seconds; a second is `predicted` when every partition that was collected has a prediction
for it, `lost` when it lies between the first and the last collected and is not predicted. `repeated` counts messages
beyond the first for the same partition and second. `settled` counts (symbol, second) pairs per horizon; a pair is
settled twice when the worker's own running count is larger than the distinct pairs it published.
"""

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec
import numpy as np

from app.kafka import topics
from app.kafka.clients import assigned_consumer, end_offsets, partitions_of
from app.settings import Settings


class _Stamped(msgspec.Struct):
    partition: int
    second: int
    closed_ms: float
    sent_ms: float = 0.0


class _Forecaster(msgspec.Struct):
    model: str
    kind: str
    role: str


class _Prediction(_Stamped):
    champion: str = ""
    forecasts: list[_Forecaster] = []


class _Settlement(msgspec.Struct):
    horizon_s: int
    symbols: list[str] = []


class _Outcome(_Stamped):
    settled: list[_Settlement] = []
    settled_total: dict[str, int] = {}


class _Beat(msgspec.Struct):
    process: str
    pid: int
    errors: dict[str, int] = {}


Shape = TypeVar("Shape", bound=msgspec.Struct)


async def messages(settings: Settings, spec: topics.TopicSpec, shape: type[Shape]) -> AsyncIterator[Shape]:
    """Yield every decodable message a topic holds now, decoded into the fields of `shape`."""
    consumer = assigned_consumer(settings)
    decode = msgspec.json.Decoder(shape).decode
    places = partitions_of(spec.full_name(settings), spec.partitions(settings))
    try:
        await consumer.start()
        consumer.assign(places)
        await consumer.seek_to_beginning()
        ends = {place: end for place, end in (await end_offsets(consumer, places)).items() if end}
        while ends:
            for batch in (await consumer.getmany(timeout_ms=500)).values():
                for message in batch:
                    try:
                        yield decode(message.value or b"")
                    except msgspec.MsgspecError:
                        continue  # the dead letters count it
            for place in list(ends):
                if await consumer.position(place) >= ends[place]:
                    del ends[place]
    finally:
        await consumer.stop()


def spread_ms(values: Iterable[float]) -> dict[str, float]:
    """Return p50, p99 and the count of latencies, milliseconds.

    >>> spread_ms([1.0, 2.0, 3.0])
    {'p50': 2.0, 'p99': 2.98, 'n': 3}
    """
    latencies = np.fromiter(values, float)
    if not latencies.size:
        return {"p50": 0.0, "p99": 0.0, "n": 0}
    p50, p99 = np.percentile(latencies, [50, 99])
    return {"p50": round(float(p50), 2), "p99": round(float(p99), 2), "n": int(latencies.size)}


@dataclass
class RunRecord:
    """What the topics of the walk hold."""

    collected: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))  # second → partitions
    predicted: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))
    repeated: int = 0
    settled: Counter[str] = field(default_factory=Counter)
    counted: Counter[str] = field(default_factory=Counter)
    features_ms: list[float] = field(default_factory=list)
    prediction_ms: list[float] = field(default_factory=list)
    models: list[dict[str, Any]] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    dead: int = 0

    def seconds(self) -> dict[str, Any]:
        """Return the counts of the report's `seconds`."""
        span = range(min(self.collected), max(self.collected) + 1) if self.collected else range(0)
        done = {second for second, places in self.collected.items() if places <= self.predicted.get(second, set())}
        horizons = sorted(self.settled | self.counted, key=int)
        return {
            "collected": len(self.collected),
            "predicted": len(done),
            "settled": {horizon: self.settled[horizon] for horizon in horizons},
            "lost": len(set(span) - done),
            "repeated": self.repeated,
            "settled_twice": sum(max(0, self.counted[h] - self.settled[h]) for h in horizons),
        }


async def run_record(settings: Settings) -> RunRecord:
    """Read the whole walk back and count it."""
    found = RunRecord()
    async for tick in messages(settings, topics.TICKS, _Stamped):
        found.repeated += tick.partition in found.collected[tick.second]
        found.collected[tick.second].add(tick.partition)
    found.features_ms = await _latencies(settings, topics.FEATURES)
    await _predictions(settings, found)
    await _outcomes(settings, found)
    await _errors(settings, found)
    return found


async def _latencies(settings: Settings, spec: topics.TopicSpec) -> list[float]:
    first: dict[tuple[int, int], float] = {}
    async for batch in messages(settings, spec, _Stamped):
        first.setdefault((batch.partition, batch.second), batch.sent_ms - batch.closed_ms)
    return list(first.values())


async def _predictions(settings: Settings, found: RunRecord) -> None:
    roles: dict[str, str] = {}
    start_ms = None
    async for batch in messages(settings, topics.PREDICTIONS, _Prediction):
        if batch.partition in found.predicted[batch.second]:
            found.repeated += 1
            continue
        found.predicted[batch.second].add(batch.partition)
        found.prediction_ms.append(batch.sent_ms - batch.closed_ms)
        start_ms = start_ms or batch.sent_ms
        for one in batch.forecasts:
            if roles.get(one.model) != one.role:
                roles[one.model] = one.role
                at_s = round((batch.sent_ms - start_ms) / 1000.0, 1)
                found.models.append({"id": one.model, "kind": one.kind, "role": one.role, "at_s": at_s})


async def _outcomes(settings: Settings, found: RunRecord) -> None:
    seen: set[tuple[int, int]] = set()
    newest: dict[int, _Outcome] = {}
    async for batch in messages(settings, topics.OUTCOMES, _Outcome):
        if (batch.partition, batch.second) in seen:
            continue  # readers drop a second they have
        seen.add((batch.partition, batch.second))
        newest[batch.partition] = batch
        for one in batch.settled:
            found.settled[str(one.horizon_s)] += len(one.symbols)
    for last in newest.values():
        found.counted.update(last.settled_total)


async def _errors(settings: Settings, found: RunRecord) -> None:
    newest: dict[tuple[str, int], _Beat] = {}
    async for beat in messages(settings, topics.STATUS, _Beat):
        newest[beat.process, beat.pid] = beat
    for last in newest.values():
        found.errors.update(last.errors)
    async for _letter in messages(settings, topics.DEAD, msgspec.Struct):
        found.dead += 1
    if found.dead:
        found.errors["dead_letters"] = found.dead


async def newest(settings: Settings, spec: topics.TopicSpec) -> dict[int, int]:
    """Return the newest second of each partition that has any message."""
    consumer = assigned_consumer(settings)
    places = partitions_of(spec.full_name(settings), spec.partitions(settings))
    found: dict[int, int] = {}
    try:
        await consumer.start()
        consumer.assign(places)
        ends = {place: end for place, end in (await end_offsets(consumer, places)).items() if end}
        for place, end in ends.items():
            consumer.seek(place, end - 1)
        for _round in range(20):
            if len(found) == len(ends):
                break
            for place, batch in (await consumer.getmany(*ends, timeout_ms=250)).items():
                found[place.partition] = msgspec.json.decode(batch[-1].value, type=_Stamped).second
    finally:
        await consumer.stop()
    return found


def reasons(result: dict[str, Any], killed: str = "") -> list[str]:
    """Return why a run was not as it must be, one line each; a process killed on purpose may restart once.

    >>> reasons({"seconds": {"collected": 0}})
    ['nothing was collected']
    """
    seconds = result["seconds"]
    if not seconds["collected"]:
        return ["nothing was collected"]
    found = []
    if seconds["predicted"] != seconds["collected"]:
        found.append(f"{seconds['collected']} seconds collected, {seconds['predicted']} predicted")
    if seconds["lost"]:
        found.append(f"{seconds['lost']} seconds lost")
    if seconds["repeated"] and not killed:
        found.append(f"{seconds['repeated']} messages repeated")
    if seconds["settled_twice"]:
        found.append(f"{seconds['settled_twice']} forecasts settled twice")
    if result["errors"].get("dead_letters"):
        found.append(f"{result['errors']['dead_letters']} dead letters")
    if not any(model["kind"] == "tensorflow" for model in result["models"]):
        found.append("no TensorFlow model ran")
    found += [
        f"{name} restarted {count} times"
        for name, count in result["restarts"].items()
        if count > (1 if name == killed else 0)
    ]
    return found
