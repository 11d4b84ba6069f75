"""A local order book that follows recorded differences, from recorded snapshots where there are some."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from typing import Annotated, NamedTuple

import msgspec

from app.emulator.market_source import Level, OrderBook

LEVELS = 20  # from differences alone, a side is known once it has so many
MOST_LEVELS = 5000
KEPT_DIFFS = 200  # a snapshot is older than its receipt: later differences may have come before it
Amount = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,15}(\.[0-9]{1,8})?$")]
Levels = list[tuple[Amount, Amount]]
UpdateId = Annotated[int, msgspec.Meta(ge=0, lt=2**62)]


class RecordedDiff(msgspec.Struct):
    """A message of `depth@100ms`."""

    E: UpdateId
    s: Annotated[str, msgspec.Meta(pattern=r"^[A-Z0-9]{1,20}$")]
    U: UpdateId
    u: UpdateId
    b: Levels
    a: Levels


class RecordedSnapshot(msgspec.Struct, rename={"last_update_id": "lastUpdateId"}):
    """An answer of REST `depth`, or a message of `depth20@100ms`."""

    last_update_id: UpdateId
    bids: Levels
    asks: Levels


class BookMessage(NamedTuple):
    """A recorded message about one symbol's book."""

    due_us: int
    data: bytes
    is_snapshot: bool


class _Side:
    """The levels of one side, in order of price."""

    def __init__(self) -> None:
        self._sizes: dict[int, Level] = {}  # by price in units of 10^-8
        self._prices: list[int] = []  # ascending

    def __len__(self) -> int:
        return len(self._prices)

    def update(self, levels: Levels) -> None:
        for price, size in levels:
            key = _units(price)
            if not size.strip("0."):
                if self._sizes.pop(key, None):
                    del self._prices[bisect_left(self._prices, key)]
                continue
            if key not in self._sizes:
                insort(self._prices, key)
            self._sizes[key] = (price, size)

    def best(self, count: int, *, highest: bool) -> list[Level]:
        prices = self._prices[-count:][::-1] if highest else self._prices[:count]
        return [self._sizes[price] for price in prices]


class RecordedBook:
    """The book after the messages applied so far. `has_snapshots`: the recording has some, so it waits for one."""

    def __init__(self, *, has_snapshots: bool) -> None:
        self._has_snapshots = has_snapshots
        self._recent: deque[RecordedDiff] = deque(maxlen=KEPT_DIFFS)
        self.gaps = 0  # differences that did not follow the one before
        self._update_id: int | None = None
        self._bids, self._asks = _Side(), _Side()

    def apply(self, message: BookMessage) -> None:
        """Apply a difference or a snapshot."""
        if message.is_snapshot:
            self._restore(msgspec.json.decode(message.data, type=RecordedSnapshot))
            return
        diff = msgspec.json.decode(message.data, type=RecordedDiff)
        self._recent.append(diff)
        self._update(diff)

    def get(self, levels: int) -> OrderBook | None:
        """Return the best levels of each side; None while too few are known."""
        enough = 1 if self._has_snapshots else LEVELS
        if self._update_id is None or min(len(self._bids), len(self._asks)) < enough:
            return None
        return OrderBook(self._update_id, self._bids.best(levels, highest=True), self._asks.best(levels, highest=False))

    def _restore(self, snapshot: RecordedSnapshot) -> None:
        self._forget()
        self._update_id = snapshot.last_update_id
        self._bids.update(snapshot.bids)
        self._asks.update(snapshot.asks)
        for diff in self._recent:
            self._update(diff)

    def _update(self, diff: RecordedDiff) -> None:
        if self._update_id is None and self._has_snapshots:
            return
        if self._update_id is not None:
            if diff.u <= self._update_id:
                return
            if self._update_id + 1 < diff.U:
                self.gaps += 1
                self._forget()
                if self._has_snapshots:
                    return
        self._update_id = diff.u
        self._bids.update(diff.b)
        self._asks.update(diff.a)

    def _forget(self) -> None:
        self._update_id = None
        self._bids, self._asks = _Side(), _Side()


def _units(price: str) -> int:
    """Return a price in units of 10^-8: "28165.47" → 2816547000000."""
    whole, _, part = price.partition(".")
    return int(whole + part.ljust(8, "0"))
