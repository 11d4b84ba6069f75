"""Ring buffers of numbers: the last seconds of one partition's symbols, read as columns over time.

One ring holds arrays `[seconds, symbols, …]`; the slot of a second is `second % capacity`, and `seconds` says which
second a slot really holds, so a gap in time is a slot that holds another second.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
EMPTY = -1  # a slot without a second
ALL = slice(None)
PRESENT = "present"  # 1 where a symbol was part of a second: symbols come and go


@dataclass(frozen=True)
class Field:
    """One value per symbol and second: its shape, its type, and the value where there is none."""

    shape: tuple[int, ...] = ()
    dtype: str = "float64"
    empty: float = float("nan")

    @property
    def size_bytes(self) -> int:
        """Bytes of one symbol's second."""
        return int(np.dtype(self.dtype).itemsize * np.prod(self.shape, dtype=int))


class Ring:
    """The last `capacity` seconds of one partition's symbols."""

    def __init__(self, fields: Mapping[str, Field], capacity: int) -> None:
        self.fields = {**fields, PRESENT: Field((), "uint8", 0)}
        self.capacity = capacity
        self.newest = EMPTY
        self.columns: dict[str, int] = {}  # symbol → its index in the arrays
        self.seconds: Array = np.full(capacity, EMPTY, np.int64)
        self.arrays: dict[str, Array] = {name: self._blank(field, capacity, 0) for name, field in self.fields.items()}
        self._last_symbols: tuple[list[str], Array] = ([], np.zeros(0, np.intp))

    @staticmethod
    def _blank(field: Field, capacity: int, symbols: int) -> Array:
        return np.full((capacity, symbols, *field.shape), field.empty, field.dtype)

    @property
    def symbol_bytes(self) -> int:
        """Bytes of one second of one symbol."""
        return sum(field.size_bytes for field in self.fields.values())

    @property
    def second_bytes(self) -> int:
        """Bytes of one second of all its symbols."""
        return len(self.columns) * self.symbol_bytes

    @property
    def oldest(self) -> int | None:
        """The oldest second that is stored; None without any."""
        stored = self.seconds[self.seconds >= 0]
        return int(stored.min()) if len(stored) else None

    def has(self, second: int) -> bool:
        """Return whether this second is stored."""
        return bool(self.seconds[second % self.capacity] == second)

    def reserve(self, second: int, symbols: Sequence[str]) -> tuple[int, Array] | None:
        """Return the slot of a second, emptied if it held an older one, and the symbols' columns; None if too old."""
        if second <= self.newest - self.capacity:
            return None
        columns = self._columns_of(list(symbols))
        slot = second % self.capacity
        if self.seconds[slot] != second:
            for name, array in self.arrays.items():
                array[slot] = self.fields[name].empty
            self.seconds[slot] = second
        self.arrays[PRESENT][slot, columns] = 1
        self.newest = max(self.newest, second)
        return slot, columns

    def store(self, second: int, symbols: Sequence[str], values: Mapping[str, Any]) -> None:
        """Store a second: per field an array [symbols, …]. A second older than the ring is dropped."""
        reserved = self.reserve(second, symbols)
        if reserved is not None:
            slot, columns = reserved
            for name, rows in values.items():
                self.arrays[name][slot, columns] = rows

    def _columns_of(self, symbols: list[str]) -> Array:
        if symbols != self._last_symbols[0]:
            new = [symbol for symbol in symbols if symbol not in self.columns]
            self._widen(new)
            self._last_symbols = (symbols, np.array([self.columns[symbol] for symbol in symbols], np.intp))
        return self._last_symbols[1]

    def _widen(self, new: list[str]) -> None:
        if not new:
            return
        for name, field in self.fields.items():
            more = self._blank(field, self.capacity, len(new))
            self.arrays[name] = np.concatenate([self.arrays[name], more], axis=1)
        for symbol in new:
            self.columns[symbol] = len(self.columns)

    def resize(self, capacity: int) -> None:
        """Keep the newest `capacity` seconds only."""
        newest = np.flatnonzero(self.seconds > max(self.newest - capacity, EMPTY))
        slots = self.seconds[newest] % capacity
        for name, field in self.fields.items():
            old, self.arrays[name] = self.arrays[name], self._blank(field, capacity, len(self.columns))
            self.arrays[name][slots] = old[newest]
        seconds = np.full(capacity, EMPTY, np.int64)
        seconds[slots] = self.seconds[newest]
        self.seconds, self.capacity = seconds, capacity

    def stored_seconds(self, since: int, until: int) -> Array:
        """Return the seconds of [since, until] that are stored, rising."""
        asked: Array = np.arange(max(since, self.newest - self.capacity + 1, 0), min(until, self.newest) + 1)
        stored: Array = asked[self.seconds[asked % self.capacity] == asked]
        return stored

    def read(self, symbol: str, since: int, until: int, *, pick: slice = ALL) -> dict[str, Array]:
        """Return copies of a symbol's columns in [since, until], those `pick` names; `second` is the first.

        `pick=slice(-300, None)` takes the newest 300, `slice(300)` the oldest 300.
        """
        if symbol not in self.columns:
            blank = {name: self._blank(field, 1, 1)[:0, 0] for name, field in self.fields.items()}
            return {"second": np.zeros(0, np.int64), **blank}
        column, found = self.columns[symbol], self.stored_seconds(since, until)
        found = found[self.arrays[PRESENT][found % self.capacity, column] > 0][pick]
        slots = found % self.capacity
        return {"second": found, **{name: array[slots, column] for name, array in self.arrays.items()}}
