"""The window of bars that features are computed from: the last 300 seconds of each symbol as planes [P, S, W].

Sums over time are bit-equal whatever the number of rows: time is the contiguous last axis, so numpy reduces every row
by itself, in the same order, in the live window as in history.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from app.domain.bars import Channel, Floats, Mask

WINDOW_S = 300
WARMUP_S = 60  # two half-lives of the volatility, and every scale but the longest is whole


class Plane(IntEnum):
    """The terms of each second that are summed over time."""

    RETURN = 0
    SQUARE = 1  # return²
    SPAN = 2  # seconds the return covers
    PRESENT = 3
    FLOW = 4  # volume bought − sold by takers
    VOLUME = 5
    TRADES = 6
    OFI = 7
    DEPTH = 8
    QUEUE = 9  # (bid_size − ask_size) ÷ (bid_size + ask_size)
    QUOTED = 10
    RANGE = 11  # ln(high ÷ low)²
    GAP = 12  # 1: seconds or trades are missing before this second, or its quote is an old one


@dataclass(frozen=True, slots=True)
class BarWindow:
    """S windows, each up to the end of one second: one per symbol, or one per second of history."""

    window: Floats  # [P, S, W], the newest second last, contiguous in time; zeros where there was none
    last: Floats  # [S, C]: the newest bars

    def sums(self, seconds: int) -> Floats:
        """Return the planes summed over the newest `seconds`, float64 [P, S]."""
        return np.asarray(np.add.reduce(self.window[..., -seconds:], axis=-1))

    def has_gap(self) -> Mask:
        """Return whether seconds, trades or quotes are missing inside each window, bool [S]."""
        present = self.window[Plane.PRESENT]
        count = np.add.reduce(present, axis=-1)
        started = np.argmax(present > 0, axis=-1)
        absent = (count > 0) & (count < present.shape[-1] - started)
        is_open = self.last[:, Channel.OPEN_IDS] > 0
        return np.asarray(absent | is_open | (np.add.reduce(self.window[Plane.GAP], axis=-1) > 0))

    def is_warming_up(self) -> Mask:
        """Return whether each window holds less than `WARMUP_S` seconds, bool [S]."""
        return np.asarray(np.add.reduce(self.window[Plane.PRESENT], axis=-1) < WARMUP_S)


def planes(bars: Floats) -> Floats:
    """Return the terms of each bar, float64 [P, N], from bars [N, C]. An all-zero bar gives zeros."""
    column = bars.T
    out = np.zeros((len(Plane), len(bars)))
    out[Plane.RETURN] = column[Channel.LOG_RETURN]
    out[Plane.SQUARE] = column[Channel.LOG_RETURN] * column[Channel.LOG_RETURN]
    out[Plane.SPAN] = column[Channel.SPAN_S]
    out[Plane.PRESENT] = column[Channel.PRESENT]
    out[Plane.FLOW] = 2.0 * column[Channel.BUY_VOLUME] - column[Channel.VOLUME]
    out[Plane.VOLUME] = column[Channel.VOLUME]
    out[Plane.TRADES] = column[Channel.TRADES]
    out[Plane.OFI] = column[Channel.OFI]
    out[Plane.DEPTH] = column[Channel.DEPTH]
    out[Plane.QUEUE] = queue_imbalance(bars)
    out[Plane.QUOTED] = column[Channel.QUOTED]
    out[Plane.RANGE] = _range_square(column[Channel.HIGH], column[Channel.LOW])
    missing = (column[Channel.MISSING] > 0) | (column[Channel.QUOTE_OUTAGE] > 0)
    out[Plane.GAP] = (column[Channel.SPAN_S] > 1) | missing
    return out


def queue_imbalance(bars: Floats) -> Floats:
    """Return (bid_size − ask_size) ÷ (bid_size + ask_size) of each last quote, float64 [N]; 0 where not quoted."""
    total = bars[:, Channel.BID_SIZE] + bars[:, Channel.ASK_SIZE]
    difference = bars[:, Channel.BID_SIZE] - bars[:, Channel.ASK_SIZE]
    return np.divide(difference, total, out=np.zeros_like(total), where=total > 0)


def _range_square(high: Floats, low: Floats) -> Floats:
    ratio = np.divide(high, low, out=np.ones(len(high)), where=low > 0)
    log = np.minimum(np.log(ratio), 1.0)
    return np.asarray(log * log)
