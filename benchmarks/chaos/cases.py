"""What is run: each fault by itself with what makes it felt, and seeded mixtures."""

from collections.abc import Sequence

import msgspec

from app.emulator.fault import KINDS, Fault
from app.emulator.fault_mixture import random_faults
from app.emulator.market_source import AGG_TRADE, BOOK_TICKER

SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")  # with two partitions: two of them share one
PARTITIONS = 2
MIXTURE = "mixture"


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One run: faults that are injected once the feed is live, or before it starts."""

    name: str
    faults: tuple[Fault, ...] = ()
    seed: int = 0
    at_start: bool = False  # the faults are in force before the collector starts
    clock_step_s: float = 0.0  # the collector's wall clock is wrong by so much for `lasts_s`
    lasts_s: float = 0.0  # what is no fault of the exchange lasts so long

    @property
    def key(self) -> str:
        """Name and seed: the case among all results."""
        return f"{self.name}/{self.seed}"


def singles() -> list[Case]:
    """Return every kind of fault, each with what makes it felt."""
    return [Case(name=name, faults=faults) for name, faults in _SINGLES.items()]


def mixtures(count: int, seed: int, *, seconds: float = 10.0, kinds: Sequence[str] = KINDS) -> list[Case]:
    """Return so many mixtures, with seeds from `seed` on; each lasts about `seconds`."""
    return [mixture(number, seconds=seconds, kinds=kinds) for number in range(seed, seed + count)]


def mixture(seed: int, *, seconds: float = 10.0, kinds: Sequence[str] = KINDS) -> Case:
    """Return one mixture.

    Ids restart at most once: a second restart of the emulator moves ids that are moved already.
    """
    found: list[Fault] = []
    for fault in random_faults(seed, seconds=seconds, symbols=SYMBOLS, kinds=kinds):
        if fault.fault != "restart_ids" or all(one.fault != "restart_ids" for one in found):
            found.append(fault)
    return Case(name=MIXTURE, seed=seed, faults=tuple(found))


def clock_cases() -> list[Case]:
    """Return steps of the collector's own clock, wrong server times, and a ban at the start (ten minutes, scaled)."""
    hour = 3600.0
    return [
        Case(name="own clock + 1 h", clock_step_s=hour, lasts_s=8.0),
        Case(name="own clock − 1 h", clock_step_s=-hour, lasts_s=8.0),
        Case(name="server time + 1 h at start", at_start=True, faults=(_clock(hour, 12.0, "rest"),)),
        Case(name="server time − 1 h at start", at_start=True, faults=(_clock(-hour, 12.0, "rest"),)),
        Case(name="ban at start", at_start=True, faults=(Fault("ban", seconds=60.0),)),
        Case(name="REST unreachable at start", at_start=True, faults=(Fault("unreachable_rest", seconds=30.0),)),
    ]


def described(fault: Fault) -> str:
    """Return a fault in a few words, such as "skip seconds=6 share=0.02".

    >>> described(Fault("skip", seconds=6.0, share=0.02))
    'skip seconds=6 share=0.02'
    """
    given = sorted(fault.given())
    return " ".join([fault.fault, *(f"{name}={_value(getattr(fault, name))}" for name in given)])


def _value(value: object) -> str:
    if isinstance(value, tuple):
        return "+".join(value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _clock(by_s: float, seconds: float, *targets: str) -> Fault:
    return Fault("clock", by_s=by_s, seconds=seconds, targets=targets)


_SKIP = Fault("skip", streams=(AGG_TRADE,), seconds=6.0, share=0.05)
_DISCONNECT = Fault("disconnect")
# A fault of REST is felt when trades are missing, a fault of handshakes when a connection has ended.
_SINGLES: dict[str, tuple[Fault, ...]] = {
    "silence": (Fault("silence", seconds=8.0),),
    "silence of one symbol": (Fault("silence", seconds=8.0, symbols=SYMBOLS[:1]),),
    "silence of quotes": (Fault("silence", seconds=8.0, streams=(BOOK_TICKER,)),),
    "skip": (_SKIP,),
    "duplicate": (Fault("duplicate", seconds=6.0, copies=3),),
    "reorder": (Fault("reorder", seconds=6.0, window=8),),
    "burst": (Fault("burst", seconds=5.0),),
    "corrupt": (Fault("corrupt", seconds=6.0, share=0.05),),
    "damage_id +10,000": (Fault("damage_id", streams=(AGG_TRADE,), by=10_000, count=1),),
    "damage_id +1": (Fault("damage_id", streams=(AGG_TRADE,), by=1, count=1),),
    "damage_id −10,000": (Fault("damage_id", streams=(AGG_TRADE,), by=-10_000, count=1),),
    "halt": (Fault("halt", seconds=6.0, symbols=SYMBOLS[:1]),),
    "delist": (Fault("delist", seconds=6.0, symbols=SYMBOLS[:1]),),
    "restart_ids": (Fault("restart_ids", symbols=SYMBOLS[:1]),),
    "clock of events + 5 s": (_clock(5.0, 6.0, "events"),),
    "clock of events − 5 s": (_clock(-5.0, 6.0, "events"),),
    "clock of events + 1 h": (_clock(3600.0, 6.0, "events"),),
    "clock of REST + 1 h": (_clock(3600.0, 65.0, "rest"),),  # the collector reads it once a minute
    "clock of REST − 1 h": (_clock(-3600.0, 65.0, "rest"),),
    "disconnect": (_DISCONNECT,),
    "disconnect for 8 s": (Fault("disconnect", seconds=8.0),),
    "server_shutdown": (Fault("server_shutdown", grace_s=3.0),),
    "server_shutdown storm": (Fault("server_shutdown", seconds=8.0, grace_s=3.0),),
    "max_age": (Fault("max_age", seconds=8.0, age_s=3.0),),
    "refuse_handshake": (Fault("refuse_handshake", seconds=6.0), _DISCONNECT),
    "refuse_handshake 418": (Fault("refuse_handshake", seconds=6.0, status=418, retry_after_s=4), _DISCONNECT),
    "black_hole": (Fault("black_hole", seconds=10.0), Fault("silence", seconds=10.0)),
    "too_many_requests": (Fault("too_many_requests", seconds=6.0, retry_after_s=3), _SKIP),
    "ban": (Fault("ban", seconds=10.0), _SKIP),
    "slow_rest": (Fault("slow_rest", seconds=8.0, delay_s=2.0), _SKIP),
    "unreachable_rest": (Fault("unreachable_rest", seconds=8.0), _SKIP),
}
