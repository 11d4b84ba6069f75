"""Random mixtures of faults from a seed: for tests that no single fault decides.

>>> random_faults(7, seconds=60.0) == random_faults(7, seconds=60.0)
True
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from app.emulator.fault import KINDS, Fault
from app.emulator.market_source import AGG_TRADE, BOOK_TICKER

Choice = Callable[[random.Random], dict[str, object]]

_FEW: Choice = lambda r: {"share": r.choice((0.01, 0.05, 0.3)), "seed": r.randrange(10**6)}  # noqa: E731
# What a fault is drawn with beside its time, its symbols and its streams.
_DRAWN: dict[str, Choice] = {
    "restart_ids": lambda r: {"first_id": r.randrange(1, 1000)},
    "clock": lambda r: {
        "by_s": r.choice((-3600.0, -5.0, -0.2, 0.2, 5.0, 3600.0)),
        "targets": (r.choice(("rest", "events")),),
    },
    "damage_id": lambda r: {"by": r.choice((-10_000, -1, 1, 10_000, 10**12)), "count": r.randrange(1, 4)},
    "corrupt": _FEW,
    "halt": lambda _: {},
    "delist": lambda _: {},
    "silence": lambda _: {},
    "skip": _FEW,
    "duplicate": lambda r: {**_FEW(r), "copies": r.randrange(2, 5)},
    "reorder": lambda r: {"window": r.randrange(2, 20), "seed": r.randrange(10**6)},
    "burst": lambda _: {},
    "disconnect": lambda _: {},
    "server_shutdown": lambda r: {"grace_s": r.uniform(0.5, 5)},
    "max_age": lambda r: {"age_s": r.uniform(1, 10)},
    "refuse_handshake": lambda r: {"status": r.choice((418, 429, 503)), "retry_after_s": r.randrange(1, 4)},
    "black_hole": lambda r: {"endpoints": r.choice((("rest",), ("streams",), ("rest", "streams")))},
    "too_many_requests": lambda r: {"retry_after_s": r.randrange(1, 4)},
    "ban": lambda r: {"retry_after_s": r.randrange(1, 10)},
    "slow_rest": lambda r: {"delay_s": r.uniform(0.1, 3)},
    "unreachable_rest": lambda _: {},
}

_ON_STREAMS = {*KINDS[: KINDS.index("burst") + 1]} - {"restart_ids", "halt", "delist"}


def random_faults(
    seed: int, *, seconds: float, symbols: Sequence[str] = (), kinds: Sequence[str] = KINDS, most: int = 6
) -> list[Fault]:
    """Return two to `most` faults of these kinds that begin, and mostly end, within so many wall seconds.

    About half of those that can are for some of the symbols, and for trades or quotes alone.
    """
    choice = random.Random(seed)
    return [_fault(choice, choice.choice(kinds), seconds, symbols) for _ in range(choice.randrange(2, most + 1))]


def _fault(choice: random.Random, kind: str, seconds: float, symbols: Sequence[str]) -> Fault:
    after_s = choice.uniform(0, 0.6 * seconds)
    lasting = choice.uniform(0.5, max(0.6, 0.3 * seconds))
    options = _DRAWN[kind](choice)
    if kind not in {"restart_ids", "disconnect"}:
        options["seconds"] = lasting
    if symbols and kind not in {"black_hole", "unreachable_rest"} and choice.random() < 0.5:
        options["symbols"] = tuple(choice.sample(list(symbols), choice.randrange(1, len(symbols) + 1)))
    if kind in _ON_STREAMS and choice.random() < 0.5:
        options["streams"] = (choice.choice((AGG_TRADE, BOOK_TICKER)),)
    return Fault(kind, after_s=after_s, **options)  # type: ignore[arg-type]
