"""Workers come and go in mid-stream, and the broker is started again; the outcomes are those of an undisturbed run."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from app.broker.broker import Broker
from app.kafka import topics
from app.records import OutcomeBatch
from app.service import ports
from app.settings import Settings
from benchmarks import topic_io
from benchmarks.processes import Processes
from tests.live.ticks import START, payload

SECONDS = 80
PARTITIONS = range(4)
Action = Callable[[], Awaitable[None]]


class WorkerGroup:
    """Workers of one consumer group on one Kafka, each with a folder and a port of its own."""

    def __init__(self, folder: Path, kafka: str, prefix: str, **more: Any) -> None:
        self._folder, self._kafka, self._prefix, self._more = folder, kafka, prefix, more
        self.members: list[Processes] = []
        self.add()

    def add(self) -> Processes:
        """Add a member with its own instance name and port."""
        name = str(len(self.members))
        (self._folder / name).mkdir(parents=True)
        more = {"partitions": len(PARTITIONS), "instance": name, **self._more}
        self.members.append(Processes(self._folder / name, self._kafka, self._prefix, **more))
        return self.members[-1]

    async def join(self) -> None:
        """Start one more worker and wait until it is ready."""
        await asyncio.to_thread(self.add().start_worker)

    async def leave(self) -> None:
        """End the first worker with SIGTERM."""
        assert await asyncio.to_thread(self.members[0].stop, "worker") == 0

    async def crash(self) -> None:
        """Kill the newest worker."""
        await asyncio.to_thread(self.members[-1].kill, "worker")

    def close(self) -> None:
        """End every worker."""
        for member in self.members:
            member.close()


@pytest.fixture
def groups(tmp_path: Path) -> Iterator[list[WorkerGroup]]:
    """Give a list; the groups put into it are closed at the end."""
    made: list[WorkerGroup] = []
    yield made
    for group in made:
        group.close()


@pytest.mark.slow
async def test_workers_that_come_and_go_lose_nothing(
    kafka: str, prefix: str, tmp_path: Path, groups: list[WorkerGroup]
) -> None:
    """One worker joins, one leaves, one returns, one is killed: every second is predicted and settled once."""
    calm, wild = (
        WorkerGroup(tmp_path / "calm", kafka, f"{prefix}-calm"),
        WorkerGroup(tmp_path / "wild", kafka, f"{prefix}-wild"),
    )
    groups += [calm, wild]

    async def back() -> None:
        await asyncio.to_thread(wild.members[0].start_worker)

    undisturbed = await _run(calm, {})
    calm.close()
    disturbed = await _run(wild, {20: wild.join, 40: wild.leave, 50: back, 60: wild.crash})
    _alike(disturbed, undisturbed)


@pytest.mark.slow
async def test_more_workers_than_partitions_lose_nothing(
    kafka: str, prefix: str, tmp_path: Path, groups: list[WorkerGroup]
) -> None:
    """With one partition and two workers, one is idle; when the other is killed it takes over where that one was."""
    calm = WorkerGroup(tmp_path / "calm", kafka, f"{prefix}-calm", partitions=1)
    wild = WorkerGroup(tmp_path / "wild", kafka, f"{prefix}-wild", partitions=1)
    groups += [calm, wild]

    async def crash_first() -> None:
        await asyncio.to_thread(wild.members[0].kill, "worker")

    undisturbed = await _run(calm, {}, partitions=(0,))
    calm.close()
    disturbed = await _run(wild, {20: wild.join, 40: crash_first}, partitions=(0,))
    _alike(disturbed, undisturbed)


@pytest.mark.slow
async def test_a_broker_started_again_loses_nothing(
    jars: list[Path], prefix: str, tmp_path: Path, groups: list[WorkerGroup]
) -> None:
    """The only broker stops in mid-stream and comes back: nothing is lost or settled twice, no worker restarts."""
    with Broker(tmp_path / "kafka", ports.free_port(), say=print) as broker:
        calm = WorkerGroup(tmp_path / "calm", broker.bootstrap, f"{prefix}-calm")
        wild = WorkerGroup(tmp_path / "wild", broker.bootstrap, f"{prefix}-wild")
        groups += [calm, wild]

        async def again() -> None:
            await asyncio.to_thread(broker.stop)
            await asyncio.sleep(3)
            await asyncio.to_thread(broker.start)

        undisturbed = await _run(calm, {})
        calm.close()
        disturbed = await _run(wild, {30: again})
        _alike(disturbed, undisturbed)
        assert wild.members[0].stop("worker") == 0


async def _run(
    group: WorkerGroup, actions: dict[int, Action], partitions: Any = PARTITIONS
) -> dict[int, list[OutcomeBatch]]:
    """Send the seconds of every partition, run the actions on the way; return the outcomes as a reader accepts them."""
    first = group.members[0]
    await topics.ensure(first.settings)
    await asyncio.to_thread(first.start_worker)
    async with topic_io.sending(first.settings) as sender:
        for number in range(SECONDS):
            for partition in partitions:
                await sender.send(topics.TICKS, payload(START + number, partition=partition), partition)
            if action := actions.get(number):
                await action()  # in the middle of the batches just sent
    await _drained(first.settings, partitions)
    for spec in (topics.FEATURES, topics.PREDICTIONS):
        found = {(batch.partition, batch.second) for batch in await topic_io.records(first.settings, spec)}
        wanted = {(partition, START + number) for partition in partitions for number in range(SECONDS)}
        assert not wanted - found, f"{spec.name} lost {sorted(wanted - found)}"
    return _first_wins(await topic_io.records(first.settings, topics.OUTCOMES), partitions)


class _Batch(msgspec.Struct):
    partition: int
    second: int


async def _drained(settings: Settings, partitions: Any) -> None:
    wanted = {(partition, START + SECONDS - 1) for partition in partitions}
    for _attempt in range(600):
        found = {(one.partition, one.second) for one in await topic_io.records(settings, topics.OUTCOMES, _Batch)}
        if wanted <= found:
            return
        await asyncio.sleep(0.2)
    raise AssertionError("the workers did not come to the end")


def _first_wins(batches: list[OutcomeBatch], partitions: Any) -> dict[int, list[OutcomeBatch]]:
    taken: dict[tuple[int, int], OutcomeBatch] = {}
    for batch in batches:
        taken.setdefault((batch.partition, batch.second), batch)
    assert sorted(taken) == [(partition, START + number) for partition in partitions for number in range(SECONDS)]
    return {p: [taken[key] for key in sorted(taken) if key[0] == p] for p in partitions}


def _alike(disturbed: dict[int, list[OutcomeBatch]], undisturbed: dict[int, list[OutcomeBatch]]) -> None:
    for partition, batches in disturbed.items():
        calm = undisturbed[partition]
        assert _settled(batches) == _settled(calm)
        assert batches[-1].settled_total == calm[-1].settled_total


def _settled(batches: list[OutcomeBatch]) -> Counter[tuple[int, int, float]]:
    counts = Counter(
        (one.horizon_s, one.origin, realised) for batch in batches for one in batch.settled for realised in one.realised
    )
    assert set(counts.values()) == {1}
    return counts
