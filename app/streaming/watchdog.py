"""Whether the worker makes progress, and its end if it makes none. What enters: the Faust app; what leaves: reasons.

Alive means that something moves while there is something to do: seconds finished, offsets committed, tables recovered.
What was read counts for nothing: Faust reads thousands of messages ahead of an agent that stands still.

A worker that stands still ends itself with exit code 1 and one line, so that any supervisor starts it again; nothing is
lost by that (`partition_state.py`). While Kafka does not answer it waits instead: a new start would not help.
"""

import asyncio
import faulthandler
import os
import sys
import time
from collections.abc import Hashable
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from app.kafka import topics
from app.kafka.clients import client_options
from app.logs import logger
from app.settings import Settings
from app.streaming.admission import PROGRESS
from app.streaming.faust_app import app
from app.streaming.serving_models import SERVING

STUCK_S = 30.0  # with work before it
START_S = 90.0  # not ready: TensorFlow, group and tables take 5–25 s
END_S = 60.0  # more, before it ends itself: an orchestrator's probe may come first
LOOK_S = 5.0
log = logger("watch")


class Watchdog:
    """Looks at the worker from inside its loop; Faust's parts must not be asked from another thread."""

    def __init__(self, of: Settings) -> None:
        self._settings = of
        self._names = {spec.full_name(of) for spec in topics.ALL}
        self._moved_s = time.monotonic()
        self._seen: Hashable = None

    def lag(self) -> dict[str, int]:
        """Return the messages not yet finished and committed, per topic; commits come every few seconds."""
        found: dict[str, int] = {}
        for place in self._places():
            end, done = _end(place), _done(place)
            if end is not None and done is not None:
                found[place.topic] = found.get(place.topic, 0) + max(0, end - done)
        return found

    def _places(self) -> set[Any]:
        return (
            {place for place in app.consumer.assignment() if place.topic in self._names} if self.is_running() else set()
        )

    def is_running(self) -> bool:
        """Say whether the app has joined its group and recovered its tables."""
        recovery = app.tables._recovery  # noqa: SLF001 – the property would make one, bound to the loop that asks first
        return bool(
            recovery
            and recovery.completed.is_set()
            and not (recovery.in_recovery or app.rebalancing or app.should_stop)
        )

    def observe(self) -> None:
        """Note whether anything moved since the last look; without lag, standing still is fine."""
        now = self._signs()
        if now != self._seen or (self.is_running() and not any(self.lag().values())):
            self._moved_s = time.monotonic()
        self._seen = now

    def _signs(self) -> Hashable:
        recovery, consumer = app.tables._recovery, app._consumer  # noqa: SLF001 – neither must be made by looking
        recovered = sum((recovery.active_offsets or {}).values()) if recovery else 0
        committed = sum(offset or 0 for offset in consumer._committed_offset.values()) if consumer else 0  # noqa: SLF001
        return tuple(PROGRESS.second.items()), recovered, committed, SERVING.ready.is_set(), self.is_running()

    def stall_reason(self, more_s: float = 0.0) -> str:
        """Return why the worker must be restarted, if it stood still `more_s` seconds longer than is fine, or ""."""
        self.observe()
        still_s = time.monotonic() - self._moved_s
        if still_s <= (STUCK_S if self.is_running() else START_S) + more_s:
            return ""
        why = f"lag {self.lag()}" if self.is_running() else self.not_ready_reason()
        return f"no progress for {still_s:.0f} s: {why}"

    def not_ready_reason(self) -> str:
        """Return why the worker does not forecast yet, or ""."""
        if not SERVING.ready.is_set():
            return "models are not compiled yet"
        return "" if self.is_running() else "tables are being recovered"

    async def run(self) -> None:
        """Look every few seconds until cancelled; end the process that stands still, or whose loop does."""
        try:
            while True:
                # Fires in a thread of its own unless it is set again in time: nothing in this loop could notice.
                faulthandler.dump_traceback_later(START_S + END_S, exit=True, file=2)
                if self.stall_reason(-2 * LOOK_S) and not await _answers(self._settings):
                    self._moved_s = time.monotonic()
                if reason := self.stall_reason(END_S):
                    end(reason)
                await asyncio.sleep(LOOK_S)
        finally:
            faulthandler.cancel_dump_traceback_later()


def end(reason: str) -> None:
    """End this process at once: what stands still cannot be asked to stop in order."""
    print(f"btc worker: {reason}; it ends, so that it is started again", file=sys.__stderr__, flush=True)
    os._exit(1)


def _end(place: Any) -> int | None:
    try:
        end: int | None = app.consumer.highwater(place)
    except (AssertionError, LookupError):  # revoked in the consumer's thread between two lines of ours
        return None
    return end


def _done(place: Any) -> int | None:
    committed, read = app.consumer._committed_offset, app.consumer._read_offset  # noqa: SLF001 – no public way
    offset: int | None = committed.get(place)
    return read.get(place) if offset is None else offset  # nothing committed yet: at least what was read last is open


async def _answers(of: Settings) -> bool:
    admin = AIOKafkaAdminClient(**client_options(of), request_timeout_ms=5000)
    try:
        await admin.start()
        await admin.list_topics()
    except (KafkaError, OSError, TimeoutError) as error:
        log.warning("no progress, and Kafka does not answer; waiting", reason=str(error) or type(error).__name__)
        return False
    finally:
        await admin.close()
    return True
