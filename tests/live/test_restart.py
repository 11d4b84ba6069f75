"""The worker is killed; what it knew and what it owed survive."""

import asyncio
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from app.kafka import topics
from app.records import OutcomeBatch
from tests.live.pipeline import House
from tests.live.ticks import START, payload

PARTITION = 2
SECONDS = 90


@pytest.mark.slow
async def test_a_killed_worker_loses_nothing_and_settles_nothing_twice(kafka: str, prefix: str, tmp_path: Path) -> None:
    """Killed −9 three times in the stream, the worker's outcomes are those of an undisturbed run, each settled once."""
    calm = House(_made(tmp_path / "calm"), kafka, f"{prefix}-calm")
    wild = House(_made(tmp_path / "wild"), kafka, f"{prefix}-wild")
    try:
        undisturbed = await _run(calm, kills=())
        disturbed = await _run(wild, kills=(20, 45, 70))
    finally:
        calm.close()
        wild.close()
    assert _settled(disturbed) == _settled(undisturbed)
    due = {str(horizon_s): max(0, SECONDS - horizon_s) for horizon_s in wild.settings.horizons_s}
    assert disturbed[-1].settled_total == undisturbed[-1].settled_total == due


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


async def _run(house: House, kills: tuple[int, ...]) -> list[OutcomeBatch]:
    """Send the seconds one by one, kill where asked, and return the outcomes as a reader takes them."""
    await topics.ensure(house.settings)
    house.start_worker()
    async with house.sending() as send:
        for number in range(SECONDS):
            await send(topics.TICKS, payload(START + number), PARTITION)
            await asyncio.sleep(0.01)
            if number in kills:
                house.kill("worker")  # in the middle of the batches it was just sent
                house.start_worker()
    await _drained(house)
    return _first_wins(await house.all(topics.OUTCOMES))


async def _drained(house: House) -> None:
    for _attempt in range(600):
        seconds = {found.second for found in await house.all(topics.OUTCOMES, _Second)}
        if START + SECONDS - 1 in seconds:
            return
        await asyncio.sleep(0.2)
    raise AssertionError("the worker did not come to the end")


class _Second(msgspec.Struct):
    second: int


def _first_wins(batches: list[OutcomeBatch]) -> list[OutcomeBatch]:
    taken: dict[int, OutcomeBatch] = {}
    for batch in batches:
        taken.setdefault(batch.second, batch)
    assert sorted(taken) == list(range(START, START + SECONDS))
    return [taken[second] for second in sorted(taken)]


def _settled(batches: list[OutcomeBatch]) -> Counter[tuple[int, int, float]]:
    counts = Counter(
        (one.horizon_s, one.origin, realised) for batch in batches for one in batch.settled for realised in one.realised
    )
    assert set(counts.values()) == {1}
    return counts
