"""The loop that sends a market source's events to their subscribers, each when it is due."""

from __future__ import annotations

import asyncio
from collections import deque

from app.emulator.active_fault import Outgoing
from app.emulator.emulator_clock import EmulatorClock
from app.emulator.fault_injection import FaultInjector
from app.emulator.market_source import Event, MarketSource
from app.emulator.sent_log import SentLog
from app.emulator.sent_recorder import SentRecorder
from app.emulator.subscribers import Subscribers

AHEAD_US = 250_000  # events are made at least this far ahead, in exchange time …
AHEAD_WALL_US = 100_000  # … and in wall time
MAX_SLEEP_S = 0.05
IDLE_SLEEP_S = 0.005
BATCH = 1_000  # events sent before the event loop gets its turn


class SendLoop:
    """Everything due before `_sent_until_us` was sent; `_waiting` holds the next events, until `_made_until_us`."""

    def __init__(
        self,
        source: MarketSource,
        clock: EmulatorClock,
        clients: Subscribers,
        faults: FaultInjector,
        sent: SentLog,
        recorder: SentRecorder | None = None,
    ) -> None:
        self._source, self._clock, self._clients = source, clock, clients
        self._faults, self._sent, self._recorder = faults, sent, recorder
        self._ahead_us = int(max(AHEAD_US, AHEAD_WALL_US * clock.speed))
        self._waiting: deque[Event] = deque()
        self._version = 0  # counts resets, so that events made for older subscriptions are not sent
        self._sent_until_us = self._made_until_us = clock.now_us()

    def reset(self) -> None:
        """Drop the waiting events and make them again for the streams subscribed now."""
        self._waiting.clear()
        self._version += 1
        self._made_until_us = self._sent_until_us
        if self._clients.subscribed:
            self._clock.start()

    @property
    def is_finished(self) -> bool:
        """Whether the last event of the source is past; never true for a market without end."""
        span = self._source.span_us
        return span is not None and self._clock.anchored is not None and self._sent_until_us > span[1]

    async def run(self) -> None:
        """Make and send events until cancelled."""
        await self._clock.started.wait()
        if self._source.span_us is None:
            self._sent_until_us = self._made_until_us = self._clock.now_us()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._make_events())
            tasks.create_task(self._send_events())

    async def _make_events(self) -> None:
        while True:
            now_us = self._clock.now_us()
            if self._made_until_us < now_us + self._ahead_us:
                await self._make(now_us)
            await asyncio.sleep(IDLE_SLEEP_S)

    async def _make(self, now_us: int) -> None:
        start_us, until_us, version = self._made_until_us, now_us + 2 * self._ahead_us, self._version
        events: list[Event] = []
        if wanted := self._wanted():
            # In a thread: the first events of a thousand symbols take seconds, and REST must answer meanwhile.
            events = await asyncio.to_thread(self._source.events, wanted, start_us, until_us)
        if version == self._version:
            self._waiting.extend(events)
            self._made_until_us = until_us
            await asyncio.to_thread(self._source.prepare, wanted, now_us)

    def _wanted(self) -> frozenset[str]:
        """Return the streams that somebody reads, and those that are recorded."""
        subscribed = frozenset(self._clients.subscribed)
        return subscribed | self._recorder.streams if self._recorder else subscribed

    async def _send_events(self) -> None:
        while True:
            now_us = self._clock.now_us()
            for event in self._pop_due(now_us):
                late_ms = (now_us - event.due_us) / 1000 / self._clock.speed
                self._send_released()  # before this event, which came later
                if outgoing := self._faults.outgoing(event):
                    self._send(outgoing, late_ms)
            self._send_released()
            self._clients.flush()
            if self._recorder:
                self._recorder.flush_if_due()
            await asyncio.sleep(self._sleep_s())

    def _send_released(self) -> None:
        for outgoing in self._faults.released():
            self._send(outgoing, 0.0)

    def _send(self, outgoing: Outgoing, late_ms: float) -> None:
        """Send an event as often as its faults say; the log has what a client got."""
        has_clients = self._clients.enqueue(outgoing.event, outgoing.copies)
        if has_clients and outgoing.copies:
            self._sent.add(outgoing.event, late_ms)
        if self._recorder:
            self._recorder.add(outgoing, has_clients=has_clients)

    def _pop_due(self, now_us: int) -> list[Event]:
        """Remove and return what is due, about BATCH events at most; events of one instant are never split."""
        waiting, due = self._waiting, list[Event]()
        while waiting and waiting[0].due_us <= now_us:
            if len(due) >= BATCH and waiting[0].due_us > due[-1].due_us:
                self._sent_until_us = due[-1].due_us + 1
                return due
            due.append(waiting.popleft())
        self._sent_until_us = max(self._sent_until_us, min(now_us + 1, self._made_until_us))
        return due

    def _sleep_s(self) -> float:
        if not self._waiting:
            return IDLE_SLEEP_S
        return min(MAX_SLEEP_S, self._clock.wall_s_until(self._waiting[0].due_us))
