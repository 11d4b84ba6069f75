"""Ends a worker that makes no progress, so that its supervisor starts it again.

Progress means that something moves while there is something to do: seconds processed, offsets committed, tables
recovered. What was merely read does not count: Faust reads thousands of messages ahead of an agent that is stuck.

A stalled worker exits with code 1 and one line; nothing is lost by that (`partition_state.py`). Without Kafka it waits
instead, for a restart would not help, and the time counts from Kafka's return.
"""

import asyncio
import faulthandler
import math
import os
import sys
import time
from collections.abc import Callable, Hashable, Mapping
from typing import Any

from app import logs
from app.kafka import topics
from app.logs import logger
from app.service import limits
from app.settings import Settings, settings
from app.streaming import faust_fixes
from app.streaming.admission import PROGRESS
from app.streaming.faust_app import app
from app.streaming.serving_models import SERVING

START_STUCK = 3.0  # times `STUCK_S`, while it is not ready: TensorFlow, group and tables take 5–25 s
END_STUCK = 2.0  # times `STUCK_S` more, before it ends itself: an orchestrator's probe may come first
OBSERVE_S = 5.0
log = logger("watchdog")


class Watchdog:
    """Observes the worker from inside its event loop; Faust's parts must not be asked from another thread."""

    def __init__(self, of: Settings, kafka_answering_s: Callable[[], float] = lambda: math.inf) -> None:
        self._kafka_answering_s = kafka_answering_s
        self._names = {spec.full_name(of) for spec in topics.ALL}
        self._moved_s = self._changed_s = time.monotonic()
        self._furthest: dict[Hashable, float] = {}
        self._was_running = False

    def lag(self) -> dict[str, int]:
        """Return the messages not yet processed and committed, per topic; commits come every few seconds."""
        found: dict[str, int] = {}
        for partition in self._assignment():
            count = faust_fixes.lag(app, partition)
            if count is not None:
                found[partition.topic] = found.get(partition.topic, 0) + count
        return found

    def _assignment(self) -> set[Any]:
        if not self.is_running():
            return set()
        return {partition for partition in app.consumer.assignment() if partition.topic in self._names}

    def is_running(self) -> bool:
        """Return whether the app has joined its group and recovered its tables."""
        return faust_fixes.is_recovered(app)

    def observe(self) -> None:
        """Record whether anything moved on since the last call; standing still is fine without lag or Kafka."""
        now_s, running = time.monotonic(), self.is_running()
        if self._has_moved_on() or (running and not any(self.lag().values())):
            self._moved_s = now_s
        self._moved_s = max(self._moved_s, now_s - self._kafka_answering_s())
        if running != self._was_running:
            self._was_running, self._changed_s = running, now_s

    def _has_moved_on(self) -> bool:
        # The furthest of each counts: an offset that falls back in a rebalance and comes again is no progress.
        further = {name: value for name, value in self._progress().items() if value > self._furthest.get(name, -1)}
        self._furthest.update(further)
        return bool(further)

    def _progress(self) -> dict[Hashable, float]:
        kinds: dict[str, Mapping[Any, float]] = {
            "compiled": {"": int(SERVING.ready.is_set())},
            "second": PROGRESS.second,
            "recovered": faust_fixes.recovered_offsets(app),
            "committed": faust_fixes.committed_offsets(app),
        }
        return {(kind, name): value for kind, values in kinds.items() for name, value in values.items()}

    def stall_reason(self, more_s: float = 0.0) -> str:
        """Return why the worker must be restarted, if it stood still `more_s` seconds too long, or "".

        A rebalance gives it the time of a start again, but many of them not for ever.
        """
        self.observe()
        now_s, running = time.monotonic(), self.is_running()
        still_s = now_s - self._moved_s
        limit_s = limits.STUCK_S * (1.0 if running else START_STUCK) + more_s
        longest_s = limits.STUCK_S * (1.0 + START_STUCK) + more_s
        if now_s - max(self._moved_s, self._changed_s) <= limit_s and still_s <= longest_s:
            return ""
        why = f"lag {self.lag()}" if running else self.not_ready_reason()
        return f"no progress for {still_s:.0f} s: {why}"

    def not_ready_reason(self) -> str:
        """Return why the worker does not forecast yet, or ""."""
        if not SERVING.ready.is_set():
            return "models are not compiled yet"
        return "" if self.is_running() else "tables are being recovered"

    async def run(self) -> None:
        """Observe every few seconds until cancelled; end the process if it is stalled, or if its event loop is."""
        try:
            while True:
                # Fires in a thread of its own unless it is set again in time: a blocked loop cannot notice itself.
                blocked_s = limits.STUCK_S * (START_STUCK + END_STUCK)
                faulthandler.dump_traceback_later(blocked_s, exit=True, file=2)
                try:
                    self._exit_if_stalled()
                except Exception:  # one error must not leave the worker without a watchdog
                    log.exception("watchdog failed; it tries again", after_s=OBSERVE_S)
                await asyncio.sleep(OBSERVE_S)
        finally:
            faulthandler.cancel_dump_traceback_later()

    def _exit_if_stalled(self) -> None:
        if reason := self.stall_reason(limits.STUCK_S * END_STUCK):
            exit_process(reason)


def exit_process(reason: str) -> None:
    """End this process at once: a stalled one cannot stop gracefully."""
    logs.report_end(settings(), "worker", f"{reason}; exiting, so that it is started again", sys.__stderr__)
    os._exit(1)
