"""When a worker stands still, and when it only waits."""

import asyncio
import math
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

from app.service import limits
from app.settings import Settings
from app.streaming import admission, watchdog
from app.streaming.watchdog import END_STUCK, START_STUCK, Watchdog
from app.up.supervisor import Supervisor

PLACE = TP("btc.ticks", 2)
STUCK_S = limits.STUCK_S
START_S, END_S = START_STUCK * STUCK_S, END_STUCK * STUCK_S


class Worker:
    """A stand-in for the Faust app and the clock."""

    def __init__(self) -> None:
        self.now_s, self.end, self.committed = 0.0, 10, {PLACE: 10}
        recovery = SimpleNamespace(completed=asyncio.Event(), in_recovery=False, active_offsets={})
        self.recovery = recovery
        self.tables = SimpleNamespace(_recovery=None)
        self.rebalancing = self.should_stop = False
        self._consumer = self.consumer = SimpleNamespace(
            assignment=lambda: {PLACE, TP("btc-forecast-windows-changelog", 2)}, highwater=lambda _place: self.end,
            _committed_offset=self.committed, _read_offset={},
        )  # fmt: skip

    def run(self) -> None:
        """Let the app have joined and recovered."""
        self.tables._recovery = self.recovery
        self.recovery.completed.set()


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Worker:
    """Return a worker whose models are compiled and whose group has not been joined."""
    made = Worker()
    monkeypatch.setattr(watchdog, "app", made)
    monkeypatch.setattr(watchdog, "PROGRESS", admission.Progress())
    monkeypatch.setattr(watchdog, "SERVING", SimpleNamespace(ready=SimpleNamespace(is_set=lambda: True)))
    monkeypatch.setattr(watchdog, "time", SimpleNamespace(monotonic=lambda: made.now_s))
    return made


def test_before_its_tables_are_recovered_a_worker_is_not_ready(worker: Worker) -> None:
    """Looking makes none of Faust's parts: made too early they belong to the wrong loop."""
    watching = Watchdog(Settings())
    assert watching.not_ready_reason() == "tables are being recovered"
    assert worker.tables._recovery is None
    worker.run()
    assert watching.not_ready_reason() == ""


@pytest.mark.parametrize("state", ["rebalancing", "should_stop"])
def test_a_worker_that_rebalances_or_stops_is_not_ready(worker: Worker, state: str) -> None:
    """Nobody should send it work or count on it now."""
    worker.run()
    setattr(worker, state, True)
    assert Watchdog(Settings()).not_ready_reason()


def test_without_lag_standing_still_is_fine(worker: Worker) -> None:
    """A quiet hour is not a failure."""
    worker.run()
    watching = Watchdog(Settings())
    worker.now_s = 3600.0
    assert watching.stall_reason() == ""


def test_lag_counts_what_is_not_committed_and_only_on_the_walk(worker: Worker) -> None:
    """What was read ahead of an agent that stands still is lag all the same."""
    worker.run()
    worker.end = 14
    assert Watchdog(Settings()).lag() == {"btc.ticks": 4}


def test_the_first_message_ever_is_lag_until_it_is_committed(worker: Worker) -> None:
    """An agent that stands still on it has committed nothing before."""
    worker.run()
    worker.end = 1
    worker.committed.clear()
    assert Watchdog(Settings()).lag() == {}
    worker.consumer._read_offset[PLACE] = 0
    assert Watchdog(Settings()).lag() == {"btc.ticks": 1}


def test_lag_without_progress_is_named_after_a_while(worker: Worker) -> None:
    """Half a minute without a commit although there is work."""
    worker.run()
    watching = Watchdog(Settings())
    worker.end = 14
    watching.observe()
    worker.now_s = STUCK_S - 1
    assert watching.stall_reason() == ""
    worker.now_s = STUCK_S + 1
    assert watching.stall_reason() == "no progress for 31 s: lag {'btc.ticks': 4}"
    worker.committed[PLACE] = 11
    assert watching.stall_reason() == ""


def test_a_recovery_that_moves_on_may_take_its_time(worker: Worker) -> None:
    """A big changelog is progress; one that stands still is not."""
    worker.tables._recovery, worker.recovery.in_recovery = worker.recovery, True
    watching = Watchdog(Settings())
    for step in range(1, 5):
        worker.now_s = step * (START_S - 1)
        worker.recovery.active_offsets = {PLACE: step}
        assert watching.stall_reason() == ""
    worker.now_s += START_S + 1
    assert "tables are being recovered" in watching.stall_reason()


def test_offsets_that_are_not_read_yet_are_no_error(worker: Worker) -> None:
    """Between a rebalance and its recovery Faust keeps None for a partition that is new here."""
    worker.run()
    worker.recovery.active_offsets = {PLACE: None}
    worker.consumer._committed_offset = {PLACE: 10, TP("btc.ticks", 3): None}
    assert Watchdog(Settings()).stall_reason() == ""


def test_rebalances_are_not_progress(worker: Worker) -> None:
    """Partitions that come and go with their offsets only postpone the end of a worker that stands still."""
    worker.run()
    worker.end, worker.recovery.active_offsets = 14, {PLACE: 30}
    watching = Watchdog(Settings())
    watching.observe()
    while not watching.stall_reason() and worker.now_s < 1000.0:
        worker.now_s += 10.0
        worker.rebalancing = not worker.rebalancing
        worker.committed.clear() if worker.rebalancing else worker.committed.update({PLACE: 10})
        worker.recovery.active_offsets = {} if worker.rebalancing else {PLACE: 30}
    assert worker.now_s <= START_S + STUCK_S + 20.0


class EndedError(BaseException):
    """Instead of the end of the process, which nothing catches either."""


@pytest.fixture
def kept(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that keeps a watch for so many looks and gives the reason of the end, or None."""

    async def keep(looks: int, *, kafka_answers: bool) -> str | None:
        async def sleep(seconds: float) -> None:
            nonlocal looks
            worker.now_s, looks = worker.now_s + seconds, looks - 1
            if not looks:
                raise asyncio.CancelledError

        def end(reason: str) -> None:
            raise EndedError(reason)

        monkeypatch.setattr(watchdog, "exit_process", end)
        monkeypatch.setattr(watchdog, "asyncio", SimpleNamespace(sleep=sleep))
        quiet = SimpleNamespace(dump_traceback_later=lambda *_, **__: None, cancel_dump_traceback_later=lambda: None)
        monkeypatch.setattr(watchdog, "faulthandler", quiet)
        try:
            await Watchdog(Settings(), lambda: math.inf if kafka_answers else 0.0).run()
        except EndedError as error:
            return str(error)
        except asyncio.CancelledError:
            return None
        return None

    return keep


async def test_a_worker_that_never_gets_ready_ends_itself(worker: Worker, kept: Any) -> None:
    """With one line, some time after its probe began to fail."""
    assert "tables are being recovered" in await kept(1000, kafka_answers=True)
    assert START_S + END_S < worker.now_s < START_S + END_S + 20


async def test_a_later_recovery_that_stands_still_ends_the_worker(worker: Worker, kept: Any) -> None:
    """The worker ran before; after a rebalance its recovery waits for messages that never come."""
    worker.run()
    worker.rebalancing, worker.recovery.in_recovery = True, True
    worker.recovery.active_offsets = {PLACE: 20}
    assert "tables are being recovered" in await kept(1000, kafka_answers=True)
    assert START_S + END_S < worker.now_s < START_S + END_S + 20


async def test_an_error_does_not_end_the_watchdog(worker: Worker, kept: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error is logged, and the worker that stands still is ended all the same."""
    errors = iter([RuntimeError("Faust changed")])
    observe = Watchdog.observe

    def observe_or_fail(watching: Watchdog) -> None:
        for error in errors:
            raise error
        observe(watching)

    monkeypatch.setattr(Watchdog, "observe", observe_or_fail)
    assert "tables are being recovered" in await kept(1000, kafka_answers=True)


STANDS_STILL = """
import asyncio
from types import SimpleNamespace
from app.streaming import watchdog
from app.service import limits
from app.settings import Settings

recovery = SimpleNamespace(completed=asyncio.Event(), in_recovery=True, active_offsets={})
watchdog.app = SimpleNamespace(tables=SimpleNamespace(_recovery=recovery), _consumer=None, rebalancing=True)
watchdog.SERVING.ready.set()
watchdog.OBSERVE_S = 0.1
limits.STUCK_S = 0.4
asyncio.run(watchdog.Watchdog(Settings()).run())
"""


@pytest.mark.slow
async def test_the_supervisor_restarts_a_worker_whose_recovery_stands_still(tmp_path: Path) -> None:
    """Under `btc up` the end is named and the worker started again."""
    said: list[str] = []
    async with Supervisor(tmp_path, said.append) as supervisor, asyncio.timeout(60):
        child = await supervisor.start("worker", [sys.executable, "-c", STANDS_STILL], {})
        while not child.restarts:
            await asyncio.sleep(0.1)
    assert "worker ended (exit code 1: btc worker: no progress for 2 s: tables are being recovered" in said[0]


async def test_while_kafka_does_not_answer_it_waits(kept: Any) -> None:
    """A new start would not help, and the old one goes on by itself."""
    assert await kept(1000, kafka_answers=False) is None


def test_without_kafka_no_time_counts_and_after_its_return_all_of_it(worker: Worker) -> None:
    """An outage of an hour is no stall; standing still for half a minute after it is one."""
    worker.run()
    answering_s = 0.0
    watching = Watchdog(Settings(), lambda: answering_s)
    worker.end = 14
    worker.now_s = 3600.0
    assert watching.stall_reason() == ""
    worker.now_s, answering_s = 3600.0 + STUCK_S - 1, STUCK_S - 1
    assert watching.stall_reason() == ""
    worker.now_s, answering_s = 3600.0 + STUCK_S + 1, STUCK_S + 1
    assert watching.stall_reason() == "no progress for 31 s: lag {'btc.ticks': 4}"
