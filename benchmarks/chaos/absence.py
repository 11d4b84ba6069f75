"""What readers saw of an absence, kept compactly, and what became of every id that was missed."""

from collections import defaultdict
from collections.abc import Sequence

import msgspec
import numpy as np
from aiokafka import ConsumerRecord
from numpy.typing import NDArray

from app.emulator.sent_record import SentRecord
from app.kafka.topics import BACKFILL, GAPS, TICKS
from app.records import Gap, TickBatch
from benchmarks.chaos.readers import WrittenGap, newest_gaps


class AwayResult(msgspec.Struct, kw_only=True):
    """What became of it; times in wall seconds."""

    hours: float
    symbols: int
    commit: str
    measured: str
    live_after_s: float | None  # from the first frame to the first batch on time of every partition
    empty_after_s: float | None  # from the first frame until the ledger is empty; None: not within the limit
    ids: int  # missed while away
    delivered: int
    lost: int  # named as lost
    open: int  # named as open at the end
    unnamed: int
    doubled: int
    lag_p99_s: float  # of live batches: from the end of the second to the broker
    lag_most_s: float
    rss_most_mb: float
    rss_mb: list[float]  # every tenth of the time


class SeenTrades:
    """Trade ids of each symbol by topic, compactly, and the live lag."""

    def __init__(self) -> None:
        self.gaps: list[WrittenGap] = []
        self.lags_s: list[float] = []
        self.live_ms: dict[int, float] = {}  # partition → its first batch on time, wall ms
        self._ids: dict[tuple[str, str], list[NDArray[np.int64]]] = defaultdict(list)

    def add(self, topic: str, message: ConsumerRecord) -> None:
        """Add a message of `ticks`, `backfill` or `gaps`."""
        if topic == GAPS.name:
            self.gaps.append(WrittenGap(message.timestamp, msgspec.json.decode(message.value, type=Gap)))
            return
        batch = msgspec.json.decode(message.value, type=TickBatch)
        for symbol, ticks in batch.symbols.items():
            self._ids[symbol, topic].append(np.array(ticks.trades.id, np.int64))
        lag_s = message.timestamp / 1000 - batch.second - 1
        if topic == TICKS.name and not batch.late and batch.generation > 1:
            self.lags_s.append(lag_s)
            if lag_s <= 1.0:
                self.live_ms.setdefault(batch.partition, message.timestamp)

    def ids(self, symbol: str) -> tuple[NDArray[np.int64], int]:
        """Return the distinct ids of a symbol, and how many are in both topics or twice in `btc.ticks`."""
        empty = [np.empty(0, np.int64)]
        ticks = np.concatenate([*empty, *self._ids[symbol, TICKS.name]])
        back = np.unique(np.concatenate([*empty, *self._ids[symbol, BACKFILL.name]]))  # readers drop a repeated piece
        once = np.unique(ticks)
        return np.union1d(once, back), len(ticks) - len(once) + len(np.intersect1d(once, back))


def open_ids(gaps: Sequence[WrittenGap]) -> int:
    """Return how many trade ids the ledger names as open."""
    newest = (gap for gap in newest_gaps(gaps) if gap.state == "open" and gap.stream == "trades")
    return sum(last + 1 - first for gap in newest for first, last in gap.ids)


def count_ids(total: AwayResult, seen: SeenTrades, tail: dict[str, int], record: SentRecord) -> None:
    """Add to a result what became of the ids between the tail and the first trade that the exchange sent."""
    gaps = newest_gaps(seen.gaps)
    for symbol, last_id in tail.items():
        rows = record.of(f"{symbol.lower()}@aggTrade")
        if not len(rows):
            continue
        owed = np.arange(last_id + 1, int(rows["key"].min()))
        ids, doubled = seen.ids(symbol)
        absent = np.setdiff1d(owed, ids, assume_unique=True)
        is_lost, is_open = (_in_spans(absent, gaps, symbol, state) for state in ("lost", "open"))
        total.ids += len(owed)
        total.delivered += len(owed) - len(absent)
        total.open += int(is_open.sum())
        total.lost += int((is_lost & ~is_open).sum())
        total.unnamed += int((~is_lost & ~is_open).sum())
        total.doubled += doubled


def _in_spans(ids: NDArray[np.int64], gaps: Sequence[Gap], symbol: str, state: str) -> NDArray[np.bool_]:
    found = np.zeros(len(ids), bool)
    for gap in gaps:
        if gap.symbol == symbol and gap.stream == "trades" and gap.state == state:
            for first, last in gap.ids:
                low, high = np.searchsorted(ids, (first, last + 1))
                found[low:high] = True
    return found
