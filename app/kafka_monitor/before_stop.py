"""When a broker may stop: the others can do without it, and no controller is away.

Brokers and controllers that are restarted together would lose one of each at the same time. So a broker waits until
the controllers have been whole for a while; they do not wait for brokers and finish first.
"""

import asyncio
import time
from collections.abc import Callable

from app.kafka_monitor.monitor import Monitor

LONGEST_S = 180.0  # then it is let go: three controllers, one after the other, take less
WHOLE_S = 20.0  # bridges the pause between the restarts of two controllers
NOTICE_S = 10.0  # by then a controller that stops together with the broker is missed
SILENT_S = 10.0  # an election is shorter; what is silent for longer goes away too
STEP_S = 0.5


class BeforeStop:
    """One broker's wait before it stops; `clock` gives monotonic seconds."""

    def __init__(self, monitor: Monitor, clock: Callable[[], float] = time.monotonic) -> None:
        self._monitor, self._clock = monitor, clock
        self._asked_s = clock()

    async def wait(self) -> str:
        """Wait until the broker may stop; return why it may."""
        while not (reason := self.go_reason()):
            await asyncio.sleep(STEP_S)
        return reason

    def go_reason(self) -> str:
        """Return why the broker may stop now, or "" while it is to wait."""
        monitor, waited_s = self._monitor, self._clock() - self._asked_s
        if monitor.view is None or monitor.silent_s() >= SILENT_S:
            return "the broker or the controllers do not answer"
        if monitor.view.is_alone:
            return "there is no other broker"
        reason = monitor.view.stop_reason() or self._controllers_reason(waited_s)
        if waited_s >= LONGEST_S:
            return f"it has waited for {waited_s:.0f} s; {reason or 'nothing is missing'}"
        return "" if reason else "the other replicas are in sync, and no controller is away"

    def _controllers_reason(self, waited_s: float) -> str:
        if monitor_behind := self._monitor.quorum and self._monitor.quorum.voters_behind:
            return f"controllers {monitor_behind} are away or have not caught up"
        if waited_s < NOTICE_S or self._monitor.whole_s() < WHOLE_S:
            return "the controllers have not been whole for long enough"
        return ""
