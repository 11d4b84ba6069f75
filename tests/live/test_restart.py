"""A killed worker goes on where it was: tables and pending forecasts survive."""

import asyncio
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from app.kafka import topics
from app.records import OutcomeBatch
from app.settings import Settings
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
    every = list(range(START, START + SECONDS))
    assert settled_once(disturbed, every) == settled_once(undisturbed, every)
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
    await wait_for_outcome(processes.settings, START + SECONDS - 1)
    return _first_wins(await topic_io.records(processes.settings, topics.OUTCOMES))


async def wait_for_outcome(settings: Settings, second: int) -> None:
    """Wait until the outcomes of a second are published."""
    for _attempt in range(600):
        if second in {found.second for found in await topic_io.records(settings, topics.OUTCOMES, _Second)}:
            return
        await asyncio.sleep(0.2)
    raise AssertionError(f"the outcomes of second {second} did not come")


class _Second(msgspec.Struct):
    second: int


def _first_wins(batches: list[OutcomeBatch]) -> list[OutcomeBatch]:
    taken: dict[int, OutcomeBatch] = {}
    for batch in batches:
        taken.setdefault(batch.second, batch)
    return [taken[second] for second in sorted(taken)]


def settled_once(batches: list[OutcomeBatch], seconds: list[int]) -> Counter[tuple[int, int, float]]:
    """Return (horizon, origin, outcome) of all seconds as a reader takes them; each must be there exactly once."""
    taken = _first_wins(batches)
    assert [batch.second for batch in taken] == seconds
    counts = Counter(
        (one.horizon_s, one.origin, realised) for batch in taken for one in batch.settled for realised in one.realised
    )
    assert set(counts.values()) == {1}
    return counts
