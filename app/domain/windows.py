"""Rolling windows of the bars of one partition, from which the features of each second are computed.

The windows are arrays in memory: `[planes, symbols, seconds]`, a sliding part of a longer buffer, so that the newest
300 seconds are contiguous in time and are copied only once every 64 seconds. They hold nothing that the bar records of
the last 300 seconds do not: restored from those, they continue bit-equal.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.domain import bar_records, features
from app.domain.bar_window import WINDOW_S, BarWindow, Plane, planes
from app.domain.bars import CHANNELS, Channel, Floats, Ints, second_bars
from app.records import TickBatch

STALE_S = 10  # without a trade, where nothing was ever quoted
_SLACK = 64  # seconds between two copies of the buffer
_END_OF_TIME = 2**40  # the year 36812: later seconds would overflow


@dataclass(frozen=True, slots=True)
class FeatureRows:
    """Bars, features and flags of one second of a partition."""

    second: int
    symbols: list[str]
    bars: dict[str, Floats]  # every channel of a bar and `volatility`, each [S]
    features: NDArray[np.float32]  # [S, F], columns in the order of `features.NAMES`
    flags: list[list[str]]  # per symbol: unpriced, stale, gapped, late, warming_up

    @property
    def volatility(self) -> Floats:
        """Return σ of the log mid per square root of a second, float64 [S]."""
        return self.bars[features.VOLATILITY]


class SymbolWindows:
    """The last seconds of every symbol of one partition.

    A missing second leaves zeros, and the flag `gapped` while it is inside the window. A symbol that pauses keeps its
    window; after `window_s` seconds of absence it starts empty, like a new one.
    """

    def __init__(self, window_s: int = WINDOW_S) -> None:
        self.last: int | None = None  # newest second, None before the first
        self._window_s = window_s
        self._clear()

    def _clear(self) -> None:
        self.last = None
        self._symbols: list[
            str
        ] = []  # of the rows below: first those of the newest batch, then those without ticks in it
        self._row: dict[str, int] = {}
        self._active = 0  # symbols of the newest batch
        self._bars = np.zeros((0, len(CHANNELS)))  # each symbol's newest bar
        self._seen = np.zeros(0, np.int64)  # its second
        self._planes = np.zeros((len(Plane), 0, self._window_s + _SLACK))
        self._end = self._window_s  # the newest second's column, plus one

    def update(self, batch: TickBatch) -> bytes:
        """Append the second of a batch and return its bar record.

        Raises:
            ValueError: the second is out of range or not newer than `last`, or columns of a symbol differ in length.
                The windows are unchanged then.

        """
        if not 0 <= batch.second < _END_OF_TIME:
            raise ValueError(f"second {batch.second} is out of range, in epoch seconds")
        if self.last is not None and batch.second <= self.last:
            raise ValueError(f"second {batch.second} is not newer than {self.last}: a repeat, skip it")
        symbols = list(batch.symbols)
        previous, elapsed_s = self._before(symbols, batch.second)
        bars = second_bars(symbols, batch.symbols, previous, elapsed_s, late=batch.late)
        self._append(batch.second, symbols, bars)
        return bar_records.pack(batch.second, symbols, bars)

    def restore(self, records: Iterable[bytes]) -> list[str]:
        """Replace the windows by bar records in any order; return why records were refused, one line each.

        Records older than the window are ignored; of two with the same second the first counts.
        """
        self._clear()
        seconds: dict[int, bar_records.BarRecord] = {}
        refused: list[str] = []
        for record in records:
            try:
                held = bar_records.unpack(record)
                seconds.setdefault(held.second, held)
            except bar_records.RecordError as error:
                refused.append(str(error))
        newest = max(seconds, default=0)
        for second in sorted(second for second in seconds if second > newest - self._window_s):
            self._append(*seconds[second])
        return refused

    def feature_rows(self) -> FeatureRows:
        """Return bars, features and flags of the newest batch's symbols.

        Raises:
            ValueError: there is no second yet.

        """
        if self.last is None:
            raise ValueError("no second yet: update() or restore() first")
        view = BarWindow(
            self._planes[:, : self._active, self._end - self._window_s : self._end], self._bars[: self._active]
        )
        computed = features.compute(view)
        bars = {name: view.last[:, i].copy() for i, name in enumerate(CHANNELS)}
        bars[features.VOLATILITY] = computed.volatility
        return FeatureRows(self.last, self._symbols[: self._active], bars, computed.features, _flags(view))

    def _before(self, symbols: list[str], second: int) -> tuple[Floats, Ints]:
        """Return the symbols' newest bars [S, C] and the seconds since [S]; zeros where the window holds none."""
        previous, elapsed_s = np.zeros((len(symbols), len(CHANNELS))), np.zeros(len(symbols), np.int64)
        row = self._rows_of(symbols)
        known = np.flatnonzero(row >= 0)
        elapsed_s[known] = second - self._seen[row[known]]
        elapsed_s[elapsed_s >= self._window_s] = 0
        held = np.flatnonzero(elapsed_s)
        previous[held] = self._bars[row[held]]
        return previous, elapsed_s

    def _append(self, second: int, symbols: list[str], bars: Floats) -> None:
        self._advance(self._window_s if self.last is None else min(second - self.last, self._window_s))
        if symbols != self._symbols[: len(symbols)]:
            self._reorder(symbols, second)
        self.last, self._active = second, len(symbols)
        self._bars[: self._active] = bars
        self._seen[: self._active] = second
        self._planes[:, : self._active, self._end - 1] = planes(bars)

    def _advance(self, seconds: int) -> None:
        """Append columns of zeros for so many seconds; at the buffer's end, first move the window to its start."""
        if self._end + seconds > self._planes.shape[-1]:
            keep = self._window_s - seconds
            for plane in self._planes:  # one at a time: the move goes through a copy
                plane[:, :keep] = plane[:, self._end - keep : self._end]
            self._end = keep
        self._planes[..., self._end : self._end + seconds] = 0.0
        self._end += seconds

    def _reorder(self, symbols: list[str], second: int) -> None:
        """Put the batch's symbols first, in its order, so that the view needs no copy; drop symbols absent too long."""
        present = set(symbols)
        aged = self._seen <= second - self._window_s
        pausing = [name for name, old in zip(self._symbols, aged, strict=True) if not old and name not in present]
        order = symbols + pausing
        row = self._rows_of(order)
        kept, known = row[row >= 0], row >= 0
        bars, seen = np.zeros((len(order), len(CHANNELS))), np.full(len(order), second, np.int64)
        window = np.zeros((len(Plane), len(order), self._planes.shape[-1]))
        bars[known], seen[known], window[:, known] = self._bars[kept], self._seen[kept], self._planes[:, kept]
        self._bars, self._seen, self._planes = bars, seen, window
        self._symbols, self._row = order, {name: i for i, name in enumerate(order)}

    def _rows_of(self, symbols: list[str]) -> Ints:
        return np.fromiter((self._row.get(name, -1) for name in symbols), np.int64, len(symbols))


def _flags(view: BarWindow) -> list[list[str]]:
    bars = view.last
    traded_late = (bars[:, Channel.TRADED] == 0) | (bars[:, Channel.SINCE_TRADE_S] > STALE_S)
    unquoted = bars[:, Channel.QUOTED] == 0
    raised = {
        "unpriced": unquoted,
        "stale": (bars[:, Channel.QUOTE_OUTAGE] > 0) | (unquoted & traded_late),
        "gapped": view.has_gap(),
        "late": bars[:, Channel.LATE] > 0,
        "warming_up": view.is_warming_up(),
    }
    flags: list[list[str]] = [[] for _row in bars]
    for name, rows in raised.items():
        for row in np.flatnonzero(rows):
            flags[row].append(name)
    return flags
