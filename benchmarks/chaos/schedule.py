"""Several runs at a time on one broker, each bounded in time, each with topics and a folder of its own."""

import asyncio
import shutil
import traceback
import zlib
from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient

from app.kafka.clients import client_options
from app.settings import Settings
from benchmarks.chaos.cases import Case
from benchmarks.chaos.judge import Judgement
from benchmarks.chaos.owners import OWNERS, owners_rig
from benchmarks.chaos.process_rig import ProcessRig, process_rig
from benchmarks.chaos.results import CaseResult, Results
from benchmarks.chaos.run_case import NotLiveError, run_case
from benchmarks.chaos.timeline import Times

LONGEST_RUN_S = 300.0
Say = Callable[[str], None]


@dataclass
class Schedule:
    """Runs cases, `jobs` at a time, and adds each result as it comes."""

    kafka: str
    folder: Path
    results: Results
    jobs: int
    say: Say
    broker_pid: int = 0  # of the broker that the two owners slow down
    is_verbose: bool = False
    keeps_folders: bool = False  # of runs that broke a promise
    _done: int = field(default=0, init=False)
    _total: int = field(default=0, init=False)

    async def run(self, cases: Iterable[Case]) -> None:
        """Run the cases in order; a run that fails is reported and leaves the others alone."""
        waiting = list(cases)
        self._total = len(waiting)
        todo = iter(waiting)
        async with asyncio.TaskGroup() as tasks:
            for _ in range(min(self.jobs, self._total)):
                tasks.create_task(self._run_each(todo))

    async def _run_each(self, todo: Iterable[Case]) -> None:
        for case in todo:
            try:
                async with asyncio.timeout(LONGEST_RUN_S + case.lasts_s):
                    result = await self._run(case)
            except (NotLiveError, TimeoutError) as error:
                result = self._failed(case, f"not judged: {error or 'took too long'}")
            except Exception:  # noqa: BLE001  # one broken run of 200 must not end the others
                result = self._failed(case, f"not judged: {traceback.format_exc(limit=-3)}")
            self._done += 1
            self.results.add(result)
            self.say(f"{self._done}/{self._total}  {line_of(result)}")

    async def _run(self, case: Case) -> CaseResult:
        prefix = f"chaos{zlib.crc32(case.key.encode())}"
        folder = self.folder / prefix
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        say: Say = (lambda text: self.say(f"{case.key}: {text}")) if self.is_verbose else (lambda _: None)
        async with self._rig(case, prefix, folder, say) as rig:
            result = await run_case(case, rig, self.results.commit, say=say)
            settings = rig.settings
        await delete_topics(settings)
        if self.keeps_folders and result.judgement.violations:
            self.say(f"{case.key}: logs and record in {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
        return result

    def _rig(self, case: Case, prefix: str, folder: Path, say: Say) -> AbstractAsyncContextManager[ProcessRig]:
        if case.name == OWNERS:
            return owners_rig(self.kafka, prefix, folder, broker_pid=self.broker_pid, seed=case.seed, say=say)
        return process_rig(self.kafka, prefix, folder)

    def _failed(self, case: Case, note: str) -> CaseResult:
        return CaseResult(name=case.name, seed=case.seed, commit=self.results.commit, measured="", faults=[],
                          judgement=Judgement(examples=[]), times=Times(), note=note)  # fmt: skip


async def delete_topics(settings: Settings) -> None:
    """Delete the topics of a run: 200 runs are 3,000 partitions."""
    admin = AIOKafkaAdminClient(**client_options(settings))
    await admin.start()
    try:
        names = [name for name in await admin.list_topics() if name.startswith(f"{settings.topic_prefix}.")]
        await admin.delete_topics(names)
    finally:
        await admin.close()


def line_of(result: CaseResult) -> str:
    """Return a result as one line of progress."""
    times, judged = result.times, result.judgement
    verdict = ", ".join(judged.violations) or "kept"
    seconds = "  ".join(
        f"{name} {'–' if value is None else f'{value:.1f} s'}"
        for name, value in (
            ("detected", times.detected_s),
            ("live", times.live_again_s),
            ("refilled", times.refilled_s),
        )
    )
    counts = f"{judged.made} ids, {judged.lost} lost, {judged.open} open"
    return f"{result.key:<28} {verdict:<28} {seconds}  {counts}" + (f"  ({result.note[:120]})" if result.note else "")
