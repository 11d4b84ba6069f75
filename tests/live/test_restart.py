"""A killed worker goes on where it was: tables and pending forecasts survive."""

import asyncio
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from app.kafka import topics
from app.records import OutcomeBatch
from benchmarks import topic_io
from benchmarks.processes import Processes
from tests.live.ticks import START, payload

PARTITION = 2
SECONDS = 90


@pytest.mark.slow
async def test_a_killed_worker_loses_nothing_and_settles_nothing_twice(kafka: str, prefix: str, tmp_path: Path) -> None:
    """Killed −9 three times in the stream, the worker's outcomes are those of an undisturbed run, each settled once."""
    calm = Processes(_made(tmp_path / "calm"), kafka, f"{prefix}-calm")
    wild = Processes(_made(tmp_path / "wild"), kafka, f"{prefix}-wild")
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


async def _run(processes: Processes, kills: tuple[int, ...]) -> list[OutcomeBatch]:
    """Send the seconds one by one, kill where asked, and return the outcomes as a reader takes them."""
    await topics.ensure(processes.settings)
    processes.start_worker()
    async with topic_io.sending(processes.settings) as sender:
        for number in range(SECONDS):
            await sender.send(topics.TICKS, payload(START + number), PARTITION)
            await asyncio.sleep(0.01)
            if number in kills:
                processes.kill("worker")  # in the middle of the batches it was just sent
                processes.start_worker()
    await _drained(processes)
    return _first_wins(await topic_io.records(processes.settings, topics.OUTCOMES))


async def _drained(processes: Processes) -> None:
    for _attempt in range(600):
        seconds = {found.second for found in await topic_io.records(processes.settings, topics.OUTCOMES, _Second)}
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
