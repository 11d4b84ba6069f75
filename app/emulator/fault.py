"""A fault of the exchange as a value: what breaks, for whom, when, how often; the schema of API and scenarios."""

from __future__ import annotations

from typing import Annotated

import msgspec

from app.emulator.market_source import STREAM_KINDS

Seconds = Annotated[float, msgspec.Meta(ge=0)]
Count = Annotated[int, msgspec.Meta(ge=0)]
Names = tuple[str, ...]

_ON_EVENTS = {"streams", "count", "share", "seed"}
_ON_REST = {"paths", "count", "share", "seed"}
# Fault → the parameters it takes beside `symbols`, `after_s` and `seconds`; event faults apply in this order.
PARAMETERS: dict[str, set[str]] = {
    "restart_ids": {"streams", "first_id"},
    "clock": {"streams", "by_s", "drift", "targets"},
    "damage_id": _ON_EVENTS | {"by"},
    "corrupt": _ON_EVENTS,
    "halt": set(),
    "delist": set(),
    "silence": _ON_EVENTS,
    "skip": _ON_EVENTS,
    "duplicate": _ON_EVENTS | {"copies"},
    "reorder": _ON_EVENTS | {"window"},
    "burst": _ON_EVENTS,
    "disconnect": {"streams"},
    "server_shutdown": {"streams", "grace_s"},
    "max_age": {"streams", "age_s"},
    "refuse_handshake": {"streams", "count", "status", "retry_after_s"},
    "black_hole": {"endpoints"},
    "too_many_requests": _ON_REST | {"retry_after_s"},
    "ban": _ON_REST | {"retry_after_s"},
    "slow_rest": _ON_REST | {"delay_s"},
    "unreachable_rest": {"paths"},
}
KINDS = tuple(PARAMETERS)
BITS = {kind: 1 << index for index, kind in enumerate(KINDS)}  # of a set of faults as a number
_REQUIRED = {"damage_id": "by", "max_age": "age_s", "slow_rest": "delay_s"}
_WITHOUT_SYMBOLS = {"black_hole", "unreachable_rest"}
_CHOICES = {"streams": STREAM_KINDS, "targets": ("rest", "events"), "endpoints": ("rest", "streams")}


class Fault(msgspec.Struct, forbid_unknown_fields=True, frozen=True, omit_defaults=True):
    """One fault, {"fault": "silence", "symbols": ["BTCUSDT"], "seconds": 5}; all times are wall seconds.

    Raises:
        ValueError: an unknown fault, or a parameter that is wrong or does not belong to it (when decoded:
            msgspec.ValidationError).

    """

    fault: str
    seconds: Seconds = 0.0  # in force so long; without seconds and count until it is ended
    after_s: Seconds = 0.0  # begins so long after it was injected
    symbols: Names = ()  # none: all
    streams: Names = ()  # kinds such as aggTrade or depth@100ms; none: all
    paths: Names = ()  # REST calls such as time or aggTrades; none: all
    count: Count = 0  # events or requests that it touches at most; 0: any number
    share: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1.0  # probability that it touches one
    seed: Count = 0  # of the random choices
    by: int = 0  # damage_id: added to the id
    first_id: Count = 1  # restart_ids: ids begin again here
    by_s: float = 0.0  # clock: step
    drift: float = 0.0  # clock: seconds gained per second
    targets: Names = ("rest", "events")  # clock: which times are wrong
    copies: Annotated[int, msgspec.Meta(ge=2, le=1000)] = 2  # duplicate: how often a message is sent
    window: Annotated[int, msgspec.Meta(ge=2, le=10_000)] = 4  # reorder: messages of a stream shuffled together
    grace_s: Seconds = 600.0  # server_shutdown: from the notice to the end of the connection
    age_s: Seconds = 0.0  # max_age: when a connection ends
    status: Annotated[int, msgspec.Meta(ge=400, le=599)] = 503  # refuse_handshake
    retry_after_s: Count = 0  # Retry-After; 0: the seconds left
    delay_s: Seconds = 0.0  # slow_rest: before each answer
    endpoints: Names = ("rest", "streams")  # black_hole: what says nothing

    def __post_init__(self) -> None:
        if self.fault not in PARAMETERS:
            raise ValueError(f"no fault {self.fault!r}; choose {', '.join(KINDS[:-1])} or {KINDS[-1]}")
        for name in self.given() - PARAMETERS[self.fault] - {"fault", "seconds", "after_s", "symbols"}:
            takes = ", ".join(sorted(PARAMETERS[self.fault]))
            raise ValueError(f"{name}: {self.fault} does not take it; it takes {takes}")
        if self.symbols and self.fault in _WITHOUT_SYMBOLS:
            raise ValueError(f"symbols: {self.fault} acts on all symbols; leave it out")
        if (required := _REQUIRED.get(self.fault)) and not getattr(self, required):
            raise ValueError(f"{required}: {self.fault} needs it, not 0")
        if self.fault == "restart_ids" and self.seconds:
            raise ValueError("seconds: restarted ids stay; end the fault to have the old ones again")
        if self.fault == "clock" and not (self.by_s or self.drift):
            raise ValueError("by_s: clock needs by_s or drift, not 0")
        for name, choices in _CHOICES.items():
            for value in set(getattr(self, name)) - set(choices):
                raise ValueError(f"{name}: no {value!r}; choose among {', '.join(choices)}")

    def given(self) -> set[str]:
        """Return the names of the parameters that differ from their default."""
        defaults = dict(zip(self.__struct_fields__[1:], self.__struct_defaults__, strict=True))
        return {name for name, default in defaults.items() if getattr(self, name) != default}
