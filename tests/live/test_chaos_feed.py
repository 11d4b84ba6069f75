"""A short part of `make chaos-feed`: single faults and seeded mixtures, judged from the emulator's record."""

import asyncio
from pathlib import Path

from app.emulator.fault import KINDS
from benchmarks.chaos.cases import Case, mixture, singles
from benchmarks.chaos.in_process_rig import in_process_rig
from benchmarks.chaos.process_rig import process_rig
from benchmarks.chaos.results import CaseResult
from benchmarks.chaos.run_case import Patience, run_case

# True once the collector writes the gap ledger, doubts damaged ids and keeps its own clock: then every promise is
# asserted and every fault is drawn.
STRICT = True
NOT_YET = set() if STRICT else {"clock", "damage_id", "restart_ids"}
SINGLES = ("skip", "disconnect", "duplicate")
AS_PROCESSES, SEEDS = "skip", (1, 2, 3)
PATIENCE = Patience(settle_s=6.0, drain_s=20.0)


def cases() -> list[Case]:
    """Return three single faults and three mixtures of a few seconds."""
    kinds = [kind for kind in KINDS if kind not in NOT_YET]
    alone = {case.name: case for case in singles()}
    return [*(alone[name] for name in SINGLES), *(mixture(seed, seconds=6.0, kinds=kinds) for seed in SEEDS)]


async def judged(case: Case, kafka: str, prefix: str, folder: Path) -> CaseResult:
    """Run a case with an exchange and a collector of its own; one of them as `make chaos-feed` does, as processes."""
    run_in = process_rig if case.name == AS_PROCESSES else in_process_rig
    folder = folder / case.key
    folder.mkdir(parents=True)
    async with run_in(kafka, f"{prefix}{case.name}{case.seed}", folder) as rig:
        return await run_case(case, rig, "under test", patience=PATIENCE)


async def test_the_feed_keeps_its_word_under_single_faults_and_mixtures(
    kafka: str, prefix: str, tmp_path: Path
) -> None:
    """All at the same time: nothing is doubled, no second closes early; with STRICT every promise is asserted."""
    results = await asyncio.gather(*(judged(case, kafka, prefix, tmp_path) for case in cases()))
    for result in results:
        assert result.judgement.made > 30, "the feed was live and trades were made"
        assert (result.note, result.judgement.doubled, result.judgement.early) == ("", 0, 0), result
        if result.name == AS_PROCESSES:
            assert result.times.detected_s is not None, "its log says what was skipped"
        if STRICT:
            assert result.judgement.violations == [], result
