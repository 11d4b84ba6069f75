"""Watchdog of single streams: each knows its stream's usual gap and keeps it over reconnects. Pure.

The streams of a connection share one `StreamWatch`, which outlives the connection.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

FIRST_IDLE_S, LONGEST_IDLE_S = 5.0, 600.0  # a connection without a frame counts as lost
GAPS, QUIET_GAPS, LONGEST_GAPS = 50, 10, 3  # or after so many mean gaps, of a quiet connection, or longest gaps
QUIET_IDLE_S = 60.0
STUCK_S, STUCK_GAPS = 10.0, 20  # a stream without a frame for so long, and for so many of its mean gaps, is stuck
UNHEARD_S = 120.0  # a stream that never had a frame, or few of them
FEW_FRAMES = 20  # before so many, a stream's gap is not known
FORGET_S = 3600.0  # half of the longest gap is forgotten in this time
OnOutage = Callable[[tuple[str, ...], float, float, str], None]  # streams, from and until (wall ms), reason


@dataclass(slots=True)
class UsualGap:
    """The mean gap between frames, over about a hundred, and the longest one, slowly forgotten; seconds.

    >>> gap = UsualGap()
    >>> for _ in range(10):
    ...     gap.update(2.0)
    >>> gap.mean_s, gap.longest_s
    (2.0, 2.0)
    """

    frames: int = 0
    mean_s: float = 0.0
    longest_s: float = 0.0

    def update(self, gap_s: float) -> None:
        """Learn a gap."""
        self.frames += 1
        self.mean_s += (gap_s - self.mean_s) / min(self.frames, 100)
        self.longest_s = max(self.longest_s, gap_s)

    def forget(self, elapsed_s: float) -> None:
        """Forget a part of the longest gap."""
        self.longest_s *= 0.5 ** (elapsed_s / FORGET_S)

    def idle_limit_s(self) -> float:
        """Return how long the whole connection may be without a frame."""
        busy_s = min(max(GAPS * self.mean_s, FIRST_IDLE_S), QUIET_IDLE_S)
        return min(max(busy_s, QUIET_GAPS * self.mean_s, LONGEST_GAPS * self.longest_s), LONGEST_IDLE_S)

    def stuck_limit_s(self) -> float:
        """Return how long one stream may be without a frame while others go on."""
        if self.frames < FEW_FRAMES:
            return max(UNHEARD_S, LONGEST_GAPS * self.longest_s)
        return max(STUCK_S, STUCK_GAPS * self.mean_s, LONGEST_GAPS * self.longest_s)


@dataclass(slots=True)
class StreamState:
    """One stream: when its last frame came, and whether a connection carries it."""

    gap: UsualGap = field(default_factory=UsualGap)
    last_s: float | None = None  # monotonic; None: never, or its connection was lost since
    last_ms: float = 0.0  # wall time; 0: never
    alarms: int = 0  # since its last frame
    is_up: bool = False


class StreamWatch:
    """The streams of one connection and its successors; `now_s` is monotonic, `at_ms` wall time."""

    def __init__(self, streams: Iterable[str], on_outage: OnOutage | None = None) -> None:
        self.states = {stream: StreamState() for stream in streams}
        self.gap = UsualGap()  # of the connection as a whole
        self.silences = 0  # connections in a row without any frame
        self.ignored: frozenset[str] = frozenset()  # symbols that do not trade
        self._on_outage = on_outage
        self._up_s: float | None = None
        self._down_ms, self._down_reason = 0.0, ""
        self._last_s = 0.0
        self._swept_s: float | None = None

    def up(self, now_s: float) -> None:
        """Note that a connection carries the streams."""
        self._up_s = now_s if self._up_s is None else self._up_s
        for state in self.states.values():
            state.is_up = True

    def down(self, reason: str, at_ms: float) -> None:
        """Note that no connection carries the streams any more: the gap that begins is not theirs."""
        self._up_s = None
        self._begin_outage(reason, at_ms)
        for state in self.states.values():
            state.last_s, state.alarms, state.is_up = None, 0, False

    def silent(self) -> None:
        """Note that the connection has been silent for too long: its streams are perhaps not heard."""
        self.silences += 1
        self._begin_outage("silence", 0.0)

    def _begin_outage(self, reason: str, at_ms: float) -> None:
        if not self._down_ms:
            self._down_ms = max((state.last_ms for state in self.states.values()), default=0.0) or at_ms
            self._down_reason = reason

    def update(self, raw: str | bytes, now_s: float, at_ms: float) -> None:
        """Learn from a frame."""
        self._last_s = now_s
        if self._down_ms:
            self._report(tuple(self.states), self._down_ms, at_ms, self._down_reason)
            self._down_ms = 0.0
        if (name := stream_of(raw)) is None or (state := self.states.get(name)) is None:
            return
        if state.last_s is not None:
            # What lies beyond the limit was perhaps a fault: it must not make the stream look quiet.
            state.gap.update(min(now_s - state.last_s, state.gap.stuck_limit_s()))
            if state.alarms:
                self._report((name,), state.last_ms, at_ms, "stuck stream")
        state.last_s, state.last_ms, state.alarms = now_s, at_ms, 0

    def idle_limit_s(self) -> float:
        """Return how long the connection may be without a frame: twice as long after each silence."""
        return min(self.gap.idle_limit_s() * 2.0 ** min(self.silences, 10), LONGEST_IDLE_S)

    def stuck(self, now_s: float) -> dict[str, int]:
        """Return the streams that are silent while others go on, each with how often it was so in a row.

        A stream is returned when its limit passes, again after twice that time, after four times, and so on.
        """
        self._forget(now_s)
        if self._up_s is None or now_s - self._last_s > FIRST_IDLE_S:
            return {}  # the whole connection is silent: that is not the streams' matter
        stuck: dict[str, int] = {}
        for name, state in self.states.items():
            silent_s = now_s - (self._up_s if state.last_s is None else state.last_s)
            if silent_s < state.gap.stuck_limit_s() * 2.0 ** min(state.alarms, 20):
                continue
            if symbol_of(name) not in self.ignored:
                state.alarms += 1
                stuck[name] = state.alarms
        return stuck

    def _forget(self, now_s: float) -> None:
        elapsed_s = now_s - self._swept_s if self._swept_s is not None else 0.0
        self._swept_s = now_s
        for state in self.states.values():
            state.gap.forget(elapsed_s)
        self.gap.forget(elapsed_s)

    def _report(self, streams: tuple[str, ...], from_ms: float, until_ms: float, reason: str) -> None:
        if self._on_outage is not None:
            self._on_outage(streams, from_ms, until_ms, reason)


def stream_of(raw: str | bytes) -> str | None:
    """Return the name of the stream of a frame without decoding it; None for answers and notices.

    >>> stream_of(b'{"stream":"btcusdt@aggTrade","data":{}}'), stream_of('{"result":null,"id":1}')
    ('btcusdt@aggTrade', None)
    """
    if isinstance(raw, bytes):
        raw = raw[:80].decode("ascii", "replace")
    if not raw.startswith('{"stream":"'):
        return None
    return raw[11 : raw.find('"', 11)]


def symbol_of(stream: str) -> str:
    """Return the symbol of a stream.

    >>> symbol_of("btcusdt@aggTrade")
    'BTCUSDT'
    """
    return stream.partition("@")[0].upper()
