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
from tests.live.pipeline import House
from tests.live.ticks import START, payload

SECONDS = 80
PARTITIONS = range(4)
Deed = Callable[[], Awaitable[None]]


class Street:
    """Houses side by side on one Kafka, one worker in each, all of one group."""

    def __init__(self, folder: Path, kafka: str, prefix: str, **more: Any) -> None:
        self._folder, self._kafka, self._prefix, self._more = folder, kafka, prefix, more
        self.houses: list[House] = []
        self.build()

    def build(self) -> House:
        """Add a house whose worker has its own instance and port."""
        name = str(len(self.houses))
        (self._folder / name).mkdir(parents=True)
        more = {"partitions": len(PARTITIONS), "instance": name, **self._more}
        self.houses.append(House(self._folder / name, self._kafka, self._prefix, **more))
        return self.houses[-1]

    async def join(self) -> None:
        """Start one more worker and wait until it is ready."""
        await asyncio.to_thread(self.build().start_worker)

    async def leave(self) -> None:
        """End the first worker with SIGTERM."""
        assert await asyncio.to_thread(self.houses[0].end, "worker") == 0

    async def crash(self) -> None:
        """Kill the newest worker."""
        await asyncio.to_thread(self.houses[-1].kill, "worker")

    def close(self) -> None:
        """End everybody."""
        for house in self.houses:
            house.close()


@pytest.fixture
def streets(tmp_path: Path) -> Iterator[list[Street]]:
    """Give a list; the streets put into it are closed in the end."""
    made: list[Street] = []
    yield made
    for street in made:
        street.close()


@pytest.mark.slow
async def test_workers_that_come_and_go_lose_nothing(
    kafka: str, prefix: str, tmp_path: Path, streets: list[Street]
) -> None:
    """One worker joins, one leaves, one returns, one is killed: every second is predicted and settled once."""
    calm, wild = Street(tmp_path / "calm", kafka, f"{prefix}-calm"), Street(tmp_path / "wild", kafka, f"{prefix}-wild")
    streets += [calm, wild]

    async def back() -> None:
        await asyncio.to_thread(wild.houses[0].start_worker)

    undisturbed = await _run(calm, {})
    calm.close()
    disturbed = await _run(wild, {20: wild.join, 40: wild.leave, 50: back, 60: wild.crash})
    _alike(disturbed, undisturbed)


@pytest.mark.slow
async def test_more_workers_than_partitions_lose_nothing(
    kafka: str, prefix: str, tmp_path: Path, streets: list[Street]
) -> None:
    """With one partition and two workers, one stands by; when the other is killed it takes over where that one was."""
    calm = Street(tmp_path / "calm", kafka, f"{prefix}-calm", partitions=1)
    wild = Street(tmp_path / "wild", kafka, f"{prefix}-wild", partitions=1)
    streets += [calm, wild]

    async def crash_first() -> None:
        await asyncio.to_thread(wild.houses[0].kill, "worker")

    undisturbed = await _run(calm, {}, partitions=(0,))
    calm.close()
    disturbed = await _run(wild, {20: wild.join, 40: crash_first}, partitions=(0,))
    _alike(disturbed, undisturbed)


@pytest.mark.slow
async def test_a_broker_started_again_loses_nothing(
    jars: list[Path], prefix: str, tmp_path: Path, streets: list[Street]
) -> None:
    """The only broker stops in mid-stream and comes back: nothing is lost, nothing settled twice, nobody restarted."""
    with Broker(tmp_path / "kafka", ports.free_port(), say=print) as broker:
        calm = Street(tmp_path / "calm", broker.bootstrap, f"{prefix}-calm")
        wild = Street(tmp_path / "wild", broker.bootstrap, f"{prefix}-wild")
        streets += [calm, wild]

        async def again() -> None:
            await asyncio.to_thread(broker.stop)
            await asyncio.sleep(3)
            await asyncio.to_thread(broker.start)

        undisturbed = await _run(calm, {})
        calm.close()
        disturbed = await _run(wild, {30: again})
        _alike(disturbed, undisturbed)
        assert wild.houses[0].end("worker") == 0


async def _run(street: Street, deeds: dict[int, Deed], partitions: Any = PARTITIONS) -> dict[int, list[OutcomeBatch]]:
    """Send the seconds of every partition, do the deeds on the way; return the outcomes as a reader takes them."""
    first = street.houses[0]
    await topics.ensure(first.settings)
    await asyncio.to_thread(first.start_worker)
    async with first.sending() as send:
        for number in range(SECONDS):
            for partition in partitions:
                await send(topics.TICKS, payload(START + number, partition=partition), partition)
            if deed := deeds.get(number):
                await deed()  # in the middle of the batches just sent
    await _drained(first, partitions)
    for spec in (topics.FEATURES, topics.PREDICTIONS):
        found = {(batch.partition, batch.second) for batch in await first.all(spec)}
        wanted = {(partition, START + number) for partition in partitions for number in range(SECONDS)}
        assert not wanted - found, f"{spec.name} lost {sorted(wanted - found)}"
    return _first_wins(await first.all(topics.OUTCOMES), partitions)


class _Place(msgspec.Struct):
    partition: int
    second: int


async def _drained(house: House, partitions: Any) -> None:
    wanted = {(partition, START + SECONDS - 1) for partition in partitions}
    for _attempt in range(600):
        found = {(place.partition, place.second) for place in await house.all(topics.OUTCOMES, _Place)}
        if wanted <= found:
            return
        await asyncio.sleep(0.2)
    raise AssertionError("the workers did not come to the end")


def _first_wins(batches: list[OutcomeBatch], partitions: Any) -> dict[int, list[OutcomeBatch]]:
    taken: dict[tuple[int, int], OutcomeBatch] = {}
    for batch in batches:
        taken.setdefault((batch.partition, batch.second), batch)
    assert sorted(taken) == [(partition, START + number) for partition in partitions for number in range(SECONDS)]
    return {p: [taken[place] for place in sorted(taken) if place[0] == p] for p in partitions}


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
