"""kill −9 at every point between the ticks and the tables: planted, not left to luck."""

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from app.kafka import topics
from app.records import OutcomeBatch, PredictionBatch
from benchmarks import topic_io
from benchmarks.processes import Processes
from tests.live.killed_worker import POINTS
from tests.live.test_restart import settled_once, wait_for_outcome
from tests.live.ticks import START, payload

PARTITION = 2
EACH = 12  # seconds sent to each worker that dies; scores are stored every ten
SECONDS = EACH * (len(POINTS) + 1)


@pytest.mark.slow
@pytest.mark.parametrize("volume", ["kept", "lost"])
async def test_a_worker_killed_at_any_point_loses_nothing(kafka: str, prefix: str, tmp_path: Path, volume: str) -> None:
    """One worker after the other dies at its point; readers get every second, and every forecast settled once.

    With its volume lost, a worker has nothing but the changelogs.
    """
    with Processes(tmp_path, kafka, prefix) as processes:
        await topics.ensure(processes.settings)
        async with topic_io.sending(processes.settings) as sender:
            for number, point in enumerate((*POINTS, "")):
                for second in range(START + number * EACH, START + (number + 1) * EACH):
                    await sender.send(topics.TICKS, payload(second), PARTITION)
                if point:
                    await asyncio.to_thread(_die, processes, point)
                if volume == "lost":
                    shutil.rmtree(processes.settings.data_dir / "rocksdb", ignore_errors=True)
            await asyncio.to_thread(processes.start_worker)
            await wait_for_outcome(processes.settings, START + SECONDS - 1)
        predictions: list[PredictionBatch] = await topic_io.records(processes.settings, topics.PREDICTIONS)
        features = await topic_io.records(processes.settings, topics.FEATURES)
        outcomes: list[OutcomeBatch] = await topic_io.records(processes.settings, topics.OUTCOMES)
    every = list(range(START, START + SECONDS))
    for found in (predictions, features, outcomes):
        assert sorted({batch.second for batch in found}) == every
    counts = settled_once(outcomes, every)
    due = {horizon_s: max(0, SECONDS - horizon_s) for horizon_s in processes.settings.horizons_s}
    assert {horizon_s: sum(h == horizon_s for h, _, _ in counts) for horizon_s in due} == due
    last = max(outcomes, key=lambda batch: batch.second)
    assert last.settled_total == {str(horizon_s): count for horizon_s, count in due.items()}
    assert not any("gapped" in flags for batch in predictions for flags in batch.flags)


def _die(processes: Processes, point: str) -> None:
    log = processes.folder / "killed.log"
    with log.open("ab") as output:
        died = subprocess.run(
            [sys.executable, "-m", "tests.live.killed_worker", point, "0" if "scores" in point else str(EACH // 2)],
            env={**os.environ, **processes.settings.environment()}, stdin=subprocess.DEVNULL, stdout=output,
            stderr=output, timeout=120, check=False,
        )  # fmt: skip
    assert died.returncode == -9, f"it did not die at: {point}\n{log.read_text(errors='replace')[-2000:]}"
