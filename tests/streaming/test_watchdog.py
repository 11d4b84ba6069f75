"""When a worker stands still, and when it only waits."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

from app.settings import Settings
from app.streaming import admission, watchdog
from app.streaming.watchdog import END_S, START_S, STUCK_S, Watchdog

PLACE = TP("btc.ticks", 2)


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
    looking = Watchdog(Settings())
    assert looking.not_ready_reason() == "tables are being recovered"
    assert worker.tables._recovery is None
    worker.run()
    assert looking.not_ready_reason() == ""


@pytest.mark.parametrize("state", ["rebalancing", "should_stop"])
def test_a_worker_that_rebalances_or_stops_is_not_ready(worker: Worker, state: str) -> None:
    """Nobody should send it work or count on it now."""
    worker.run()
    setattr(worker, state, True)
    assert Watchdog(Settings()).not_ready_reason()


def test_without_lag_standing_still_is_fine(worker: Worker) -> None:
    """A quiet hour is not a failure."""
    worker.run()
    looking = Watchdog(Settings())
    worker.now_s = 3600.0
    assert looking.stall_reason() == ""


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
    looking = Watchdog(Settings())
    worker.end = 14
    looking.observe()
    worker.now_s = STUCK_S - 1
    assert looking.stall_reason() == ""
    worker.now_s = STUCK_S + 1
    assert looking.stall_reason() == "no progress for 31 s: lag {'btc.ticks': 4}"
    worker.committed[PLACE] = 11
    assert looking.stall_reason() == ""


def test_a_recovery_that_moves_on_may_take_its_time(worker: Worker) -> None:
    """A big changelog is progress; one that stands still is not."""
    worker.tables._recovery, worker.recovery.in_recovery = worker.recovery, True
    looking = Watchdog(Settings())
    for step in range(1, 5):
        worker.now_s = step * (START_S - 1)
        worker.recovery.active_offsets = {PLACE: step}
        assert looking.stall_reason() == ""
    worker.now_s += START_S + 1
    assert "tables are being recovered" in looking.stall_reason()


class EndedError(Exception):
    """Instead of the end of the process."""


@pytest.fixture
def kept(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that keeps a watch for so many looks and gives the reason of the end, or None."""

    async def keep(looks: int, *, kafka_answers: bool) -> str | None:
        async def answers(_of: Settings) -> bool:
            return kafka_answers

        async def sleep(seconds: float) -> None:
            nonlocal looks
            worker.now_s, looks = worker.now_s + seconds, looks - 1
            if not looks:
                raise asyncio.CancelledError

        def end(reason: str) -> None:
            raise EndedError(reason)

        monkeypatch.setattr(watchdog, "_answers", answers)
        monkeypatch.setattr(watchdog, "exit_process", end)
        monkeypatch.setattr(watchdog, "asyncio", SimpleNamespace(sleep=sleep))
        quiet = SimpleNamespace(dump_traceback_later=lambda *_, **__: None, cancel_dump_traceback_later=lambda: None)
        monkeypatch.setattr(watchdog, "faulthandler", quiet)
        try:
            await Watchdog(Settings()).run()
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


async def test_while_kafka_does_not_answer_it_waits(kept: Any) -> None:
    """A new start would not help, and the old one goes on by itself."""
    assert await kept(1000, kafka_answers=False) is None
