"""Whether the worker makes progress, and its end if it makes none. What enters: the Faust app; what leaves: reasons.

Alive means that something moves while there is something to do: seconds finished, offsets committed, tables recovered.
What was read counts for nothing: Faust reads thousands of messages ahead of an agent that stands still.

A worker that stands still ends itself with exit code 1 and one line, so that any supervisor starts it again; nothing is
lost by that (app/rooms.py). While Kafka does not answer it waits instead: a new start would not help.
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

from app import topics
from app.ensemble import ENSEMBLE
from app.kafka import client_options
from app.logs import logger
from app.rounds import PROGRESS
from app.settings import Settings
from app.stream import app

STUCK_S = 30.0  # with work before it
START_S = 90.0  # not ready: TensorFlow, group and tables take 5–25 s
END_S = 60.0  # more, before it ends itself: an orchestrator's probe may come first
LOOK_S = 5.0
log = logger("watch")


class Watch:
    """Looks at the worker from inside its loop; Faust's parts must not be asked from another thread."""

    def __init__(self, of: Settings) -> None:
        self._settings = of
        self._names = {corridor.full(of) for corridor in topics.ALL}
        self._moved_s = self._changed_s = time.monotonic()
        self._furthest: dict[Hashable, float] = {}
        self._ran = False

    def lag(self) -> dict[str, int]:
        """Return the messages not yet finished and committed, per topic; commits come every few seconds."""
        found: dict[str, int] = {}
        for place in self._places():
            end, done = _end(place), _done(place)
            if end is not None and done is not None:
                found[place.topic] = found.get(place.topic, 0) + max(0, end - done)
        return found

    def _places(self) -> set[Any]:
        return {place for place in app.consumer.assignment() if place.topic in self._names} if self.running() else set()

    def running(self) -> bool:
        """Say whether the app has joined its group and recovered its tables."""
        recovery = app.tables._recovery  # noqa: SLF001 – the property would make one, bound to the loop that asks first
        return bool(
            recovery
            and recovery.completed.is_set()
            and not (recovery.in_recovery or app.rebalancing or app.should_stop)
        )

    def look(self) -> None:
        """Record whether anything moved on since the last look; without lag, standing still is fine."""
        now_s, running = time.monotonic(), self.running()
        if self._moved_on() or (running and not any(self.lag().values())):
            self._moved_s = now_s
        if running != self._ran:
            self._ran, self._changed_s = running, now_s

    def _moved_on(self) -> bool:
        """Keep the furthest of each sign: one that falls back in a rebalance and comes again has not moved on."""
        signs = self._signs()
        further = {name: value for name, value in signs.items() if value > self._furthest.get(name, -1)}
        self._furthest.update(further)
        return bool(further)

    def _signs(self) -> dict[Hashable, float]:
        recovery, consumer = app.tables._recovery, app._consumer  # noqa: SLF001 – neither must be made by looking
        signs = {
            "compiled": {"": int(ENSEMBLE.ready.is_set())},
            "second": PROGRESS.second,
            "recovered": recovery.active_offsets if recovery else {},
            "committed": consumer._committed_offset if consumer else {},  # noqa: SLF001
        }
        # Faust keeps None for a partition whose offset it has not read yet.
        return {
            (kind, of): value for kind, values in signs.items() for of, value in values.items() if value is not None
        }

    def alive(self, more_s: float = 0.0) -> str:
        """Return why the worker must be restarted, if it stood still `more_s` seconds longer than is fine, or "".

        A rebalance gives it the time of a start again, but many of them not for ever.
        """
        self.look()
        now_s, running = time.monotonic(), self.running()
        still_s = now_s - self._moved_s
        fine_s = (STUCK_S if running else START_S) + more_s
        if now_s - max(self._moved_s, self._changed_s) <= fine_s and still_s <= START_S + STUCK_S + more_s:
            return ""
        why = f"lag {self.lag()}" if running else self.ready()
        return f"no progress for {still_s:.0f} s: {why}"

    def ready(self) -> str:
        """Return why the worker does not forecast yet, or ""."""
        if not ENSEMBLE.ready.is_set():
            return "models are not compiled yet"
        return "" if self.running() else "tables are being recovered"

    async def keep(self) -> None:
        """Look every few seconds until cancelled; end the process that stands still, or whose loop does."""
        try:
            while True:
                # Fires in a thread of its own unless it is set again in time: nothing in this loop could notice.
                faulthandler.dump_traceback_later(START_S + END_S, exit=True, file=2)
                try:
                    await self._end_if_stuck()
                except Exception:  # an error of one look must not leave the worker without a watchdog
                    log.exception("watchdog failed; it looks again", after_s=LOOK_S)
                await asyncio.sleep(LOOK_S)
        finally:
            faulthandler.cancel_dump_traceback_later()

    async def _end_if_stuck(self) -> None:
        if self.alive(-2 * LOOK_S) and not await _answers(self._settings):
            self._moved_s = time.monotonic()
        if reason := self.alive(END_S):
            end(reason)


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
