"""A fault between its injection and its end: when it is in force, and what it has touched."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field

from app.emulator.fault import BITS, Fault
from app.emulator.market_source import Event


@dataclass(slots=True)
class Outgoing:
    """An event on its way out: `key` is its true id, `event.key` the one that is sent."""

    event: Event
    key: int
    copies: int = 1  # 0: not sent
    faults: int = 0  # BITS of those that touched it


@dataclass(slots=True)
class ActiveFault:
    """An injected fault; times are those of the injector's monotonic clock, seconds."""

    number: int
    fault: Fault
    injected_s: float
    touched: int = 0  # events, requests or connections
    ended_s: float = math.inf
    held: dict[str, list[Outgoing]] = field(default_factory=dict)  # by stream, not sent yet
    random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.random = random.Random(f"{self.fault.seed} {self.fault.fault}")

    @property
    def starts_s(self) -> float:
        """When it begins."""
        return self.injected_s + self.fault.after_s

    @property
    def ends_s(self) -> float:
        """When it ends at the latest."""
        return min(self.ended_s, self.starts_s + self.fault.seconds if self.fault.seconds else math.inf)

    @property
    def bit(self) -> int:
        """Its bit in `Outgoing.faults`."""
        return BITS[self.fault.fault]

    def is_over(self, now_s: float) -> bool:
        """Whether it will touch nothing more."""
        return now_s >= self.ends_s or bool(self.fault.count and self.touched >= self.fault.count)

    def is_on(self, now_s: float) -> bool:
        """Whether it is in force."""
        return self.starts_s <= now_s and not self.is_over(now_s)

    def hits(self, now_s: float, symbol: str, kind: str) -> bool:
        """Say whether it touches this event, and count it."""
        fault = self.fault
        if (fault.streams and kind not in fault.streams) or (fault.symbols and symbol not in fault.symbols):
            return False
        return self.is_on(now_s) and self._count()

    def hits_request(self, now_s: float, path: str, symbol: str) -> bool:
        """Say whether it touches this REST request, and count it."""
        fault = self.fault
        if (fault.paths and path not in fault.paths) or (fault.symbols and symbol not in fault.symbols):
            return False
        return self.is_on(now_s) and self._count()

    def hits_connection(self, now_s: float, streams: list[str]) -> bool:
        """Say whether it touches a connection with these streams, and count it."""
        return self.is_on(now_s) and self.covers(streams) and self._count()

    def covers(self, streams: list[str]) -> bool:
        """Whether a connection with these streams is among those it is meant for."""
        fault = self.fault
        if not (fault.symbols or fault.streams):
            return True
        named = [(name.upper(), kind) for name, _, kind in (stream.partition("@") for stream in streams)]
        return any(
            (not fault.symbols or symbol in fault.symbols) and (not fault.streams or kind in fault.streams)
            for symbol, kind in named
        )

    def clock_offset_ms(self, now_s: float) -> int:
        """Return by how much a wrong clock is ahead now."""
        return round(1000 * (self.fault.by_s + self.fault.drift * (now_s - self.starts_s)))

    def _count(self) -> bool:
        if self.fault.share < 1 and self.random.random() >= self.fault.share:
            return False
        self.touched += 1
        return True
