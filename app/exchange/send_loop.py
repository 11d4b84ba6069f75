"""The send loop; enters: a source's events; leaves: each at its time to whoever listens."""

from __future__ import annotations

import asyncio
from collections import deque

from app.exchange.exchange_clock import ExchangeClock
from app.exchange.faults import Faults
from app.exchange.sent_log import SentLog
from app.exchange.source import Event, MarketSource
from app.exchange.subscribers import Subscribers

AHEAD_US = 250_000  # events are made at least this far ahead, in exchange time …
AHEAD_WALL_US = 100_000  # … and in wall time
LONGEST_SLEEP_S = 0.05
IDLE_SLEEP_S = 0.005
BATCH = 1_000  # events between two looks at sockets and REST


class SendLoop:
    """Everything due before `_sent_until_us` was sent; `_waiting` holds what is due next, until `_made_until_us`."""

    def __init__(
        self, source: MarketSource, pace: ExchangeClock, clients: Subscribers, faults: Faults, sent: SentLog
    ) -> None:
        self._source, self._pace, self._clients = source, pace, clients
        self._faults, self._sent = faults, sent
        self._ahead_us = int(max(AHEAD_US, AHEAD_WALL_US * pace.speed))
        self._waiting: deque[Event] = deque()
        self._draft = 0  # counts redraws, so that events made for older subscriptions are not sent
        self._sent_until_us = self._made_until_us = pace.now_us()

    def redraw(self) -> None:
        """Subscriptions changed: what is waiting is made anew for the streams now wanted."""
        self._waiting.clear()
        self._draft += 1
        self._made_until_us = self._sent_until_us
        if self._clients.wanted:
            self._pace.start()

    @property
    def finished(self) -> bool:
        """Whether all that the source holds was sent or went by unheard; never so for a market without end."""
        span = self._source.span_us
        return span is not None and self._pace.clock is not None and self._sent_until_us > span[1]

    async def run(self) -> None:
        """Make and send events until cancelled."""
        await self._pace.started.wait()
        if self._source.span_us is None:
            self._sent_until_us = self._made_until_us = self._pace.now_us()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._make_events())
            tasks.create_task(self._send_events())

    async def _make_events(self) -> None:
        while True:
            now_us = self._pace.now_us()
            if self._made_until_us < now_us + self._ahead_us:
                await self._make(now_us)
            await asyncio.sleep(IDLE_SLEEP_S)

    async def _make(self, now_us: int) -> None:
        start_us, until_us, draft = self._made_until_us, now_us + 2 * self._ahead_us, self._draft
        events: list[Event] = []
        if wanted := frozenset(self._clients.wanted):
            # In a thread: the first draw of a thousand symbols takes seconds, and REST must answer meanwhile.
            events = await asyncio.to_thread(self._source.events, wanted, start_us, until_us)
        if draft == self._draft:
            self._waiting.extend(events)
            self._made_until_us = until_us
            await asyncio.to_thread(self._source.prepare, wanted, now_us)

    async def _send_events(self) -> None:
        while True:
            now_us = self._pace.now_us()
            for event in self._take_due(now_us):
                late_ms = (now_us - event.due_us) / 1000 / self._pace.speed
                for outgoing in self._faults.outgoing(event):
                    if self._clients.queue(outgoing):
                        self._sent.add(outgoing, late_ms)
            self._clients.flush()
            await asyncio.sleep(self._pause())

    def _take_due(self, now_us: int) -> list[Event]:
        """Return what is due, at most about BATCH events; never only some of those of one instant."""
        waiting, due = self._waiting, list[Event]()
        while waiting and waiting[0].due_us <= now_us:
            if len(due) >= BATCH and waiting[0].due_us > due[-1].due_us:
                self._sent_until_us = due[-1].due_us + 1
                return due
            due.append(waiting.popleft())
        self._sent_until_us = max(self._sent_until_us, min(now_us + 1, self._made_until_us))
        return due

    def _pause(self) -> float:
        if not self._waiting:
            return IDLE_SLEEP_S
        return min(LONGEST_SLEEP_S, self._pace.wall_s_until(self._waiting[0].due_us))
