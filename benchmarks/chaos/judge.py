"""The verdict on a run: the ids and seconds that readers see, against what the exchange made.

Every trade must be delivered exactly once or be named in the ledger, and every second of the exchange be closed once,
after its end.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from app.clock import Clock
from app.emulator.sent_record import SentRecord
from app.kafka.topics import partition_of
from app.records import Gap
from benchmarks.chaos.readers import TopicsOfRun, WrittenBatch, accepted, delivered, is_fence, newest_gaps

OUTAGE_S = 6.0  # exchange time: no symbol here is without a quote so long unless something is broken
SHOWN = 20  # examples of each violation that a judgement keeps


class Judgement(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Counts over all symbols; `examples` name the first of each violation."""

    made: int = 0  # trade ids the exchange made and the feed owes
    delivered: int = 0  # of them, delivered at least once
    open: int = 0  # not delivered, named in the ledger as open
    lost: int = 0  # not delivered, named in the ledger as lost
    unnamed: int = 0  # neither delivered nor named: lost without a word
    doubled: int = 0  # delivered more than once
    unknown: int = 0  # delivered and never made by the exchange: a damaged id that was believed
    misnamed: int = 0  # delivered, and still named as missing
    seconds: int = 0  # seconds the feed owes, over all partitions
    outages: int = 0  # times without quotes, longer than OUTAGE_S, that no gap of quotes in the ledger touches
    early: int = 0  # closed before their end
    missing: int = 0  # neither in btc.ticks, nor backfilled, nor inside a gap of the ledger
    repeated: int = 0  # written twice by one owner
    examples: list[str] = []

    @property
    def violations(self) -> list[str]:
        """What breaks the promise, such as "3 unnamed"; empty if nothing does."""
        broken = ("unnamed", "doubled", "unknown", "misnamed", "outages", "early", "missing", "repeated")
        return [f"{getattr(self, name)} {name}" for name in broken if getattr(self, name)]

    @property
    def may_improve(self) -> bool:
        """Whether more time could repair something: what was written doubled or early stays so."""
        return bool(self.open or self.unnamed or self.missing or self.misnamed)


@dataclass(frozen=True)
class Expectation:
    """What the feed owes: these symbols until `until_s`, exchange seconds.

    It begins with the first trade that a client was sent, but not before `since_us`, exchange time: of two collectors
    that start together, one may be sent a trade of the other's partition first.

    `clock` relates wall and exchange time as the emulator knows them. Where the collector's wall clock is wrong on
    purpose (`is_wall_clock_wrong`), its own stamps prove nothing and only the broker's count.
    """

    symbols: tuple[str, ...]
    partitions: int
    clock: Clock
    until_s: int
    since_us: int = 0
    is_wall_clock_wrong: bool = False


def judge(record: SentRecord, topics: TopicsOfRun, expectation: Expectation) -> Judgement:
    """Return the verdict on a run."""
    judgement = Judgement(examples=[])
    _judge_ids(judgement, record, topics, expectation)
    _judge_quotes(judgement, record, topics, expectation)
    _judge_seconds(judgement, record, topics, expectation)
    return judgement


def owed_rows(record: SentRecord, symbol: str, expectation: Expectation) -> NDArray[np.void]:
    """Return the record's rows of the trades of a symbol that the feed owes."""
    rows = record.of(f"{symbol.lower()}@aggTrade", end_us=expectation.until_s * 1_000_000)
    sent = np.flatnonzero(rows["copies"])
    if not len(sent):
        return rows[:0]
    return rows[rows["due_us"] >= max(int(rows["due_us"][sent[0]]), expectation.since_us)]


# ── trade ids ─────────────────────────────────────────────────────────────────────────────────────────────────


def _judge_ids(judgement: Judgement, record: SentRecord, topics: TopicsOfRun, expectation: Expectation) -> None:
    trades, gaps = delivered(topics), newest_gaps(topics.gaps)
    for symbol in expectation.symbols:
        count = Counter(trade.id for trade in trades.get(symbol, ()))
        owed = {int(key) for key in owed_rows(record, symbol, expectation)["key"]}
        ever = {int(key) for key in record.of(f"{symbol.lower()}@aggTrade")["key"]}
        absent = owed - count.keys()
        is_open, is_lost = (_named(gaps, symbol, state, ever) for state in ("open", "lost"))
        judgement.made += len(owed)
        judgement.delivered += len(owed & count.keys())
        judgement.open += len(absent & is_open)
        judgement.lost += len(absent & is_lost - is_open)
        _count(judgement, "unnamed", symbol, absent - is_open - is_lost)
        _count(judgement, "doubled", symbol, (key for key, times in count.items() if times > 1))
        _count(judgement, "unknown", symbol, count.keys() - ever)
        _count(judgement, "misnamed", symbol, count.keys() & (is_open | is_lost))


def _named(gaps: Iterable[Gap], symbol: str, state: str, ids: set[int]) -> set[int]:
    """Return those of the ids that the ledger names in this state."""
    spans = [
        span for gap in gaps if gap.symbol == symbol and gap.stream == "trades" and gap.state == state
        for span in gap.ids
    ]  # fmt: skip
    ordered = np.array(sorted(ids), np.int64)
    named = set[int]()
    for first, last in spans:
        low, high = np.searchsorted(ordered, (first, last + 1))
        named.update(ordered[low:high].tolist())
    return named


# ── quotes ────────────────────────────────────────────────────────────────────────────────────────────────────


def _judge_quotes(judgement: Judgement, record: SentRecord, topics: TopicsOfRun, expectation: Expectation) -> None:
    gaps = [gap for gap in newest_gaps(topics.gaps) if gap.stream == "quotes"]
    for symbol in expectation.symbols:
        spans = [(gap.from_ms, gap.to_ms or float("inf")) for gap in gaps if gap.symbol == symbol]
        unnamed = (
            int(start_ms)
            for start_ms, end_ms in outages_ms(record, symbol, expectation)
            if not any(from_ms < end_ms and to_ms > start_ms for from_ms, to_ms in spans)
        )
        _count(judgement, "outages", symbol, unnamed)


def outages_ms(record: SentRecord, symbol: str, expectation: Expectation) -> list[tuple[float, float]]:
    """Return from and to, exchange time, of the times in which no client was sent a quote for longer than OUTAGE_S."""
    rows = record.of(
        f"{symbol.lower()}@bookTicker", start_us=expectation.since_us, end_us=expectation.until_s * 1_000_000
    )
    sent_ms = rows["due_us"][rows["copies"] > 0] / 1000
    at = np.flatnonzero(np.diff(sent_ms) > 1000 * OUTAGE_S)
    return [(float(sent_ms[one]), float(sent_ms[one + 1])) for one in at]


# ── seconds ───────────────────────────────────────────────────────────────────────────────────────────────────


def _judge_seconds(judgement: Judgement, record: SentRecord, topics: TopicsOfRun, expectation: Expectation) -> None:
    by_partition = accepted(topics.ticks)
    for partition, symbols in _partitions(expectation).items():
        name = f"partition {partition}"
        batches = by_partition.get(partition, [])
        owed = set(_owed_seconds(record, symbols, expectation))
        judgement.seconds += len(owed)
        early = {one.batch.second for one in batches if _is_early(one, expectation)}
        _count(judgement, "early", name, early)
        written = {one.batch.second for one in batches}
        written |= {one.batch.second for one in topics.backfill if one.batch.partition == partition}
        _count(judgement, "missing", name, owed - written - set(_in_gaps(topics, partition, owed)))
    _count(judgement, "repeated", "second", _repeated_seconds(topics.ticks))


def _partitions(expectation: Expectation) -> dict[int, list[str]]:
    found: dict[int, list[str]] = defaultdict(list)
    for symbol in expectation.symbols:
        found[partition_of(symbol, expectation.partitions)].append(symbol)
    return found


def _owed_seconds(record: SentRecord, symbols: list[str], expectation: Expectation) -> range:
    """Return the seconds after that of the first trade sent to a client."""
    starts_us = [int(rows["due_us"].min()) for name in symbols if len(rows := owed_rows(record, name, expectation))]
    return range(min(starts_us) // 1_000_000 + 1, expectation.until_s) if starts_us else range(0)


def _is_early(written: WrittenBatch, expectation: Expectation) -> bool:
    ended_ms = expectation.clock.wall_of_ms((written.batch.second + 1) * 1000)
    stamps = (
        [written.appended_ms] if expectation.is_wall_clock_wrong else [written.appended_ms, written.batch.closed_ms]
    )
    return min(stamps) < ended_ms - 1.0  # the broker's stamps are whole milliseconds


def _in_gaps(topics: TopicsOfRun, partition: int, seconds: set[int]) -> Iterator[int]:
    """Yield the seconds inside a gap of trades; one that is open and has no end yet lasts."""
    spans = [
        (gap.from_ms, float("inf") if gap.state == "open" and not gap.to_ms else gap.to_ms)
        for gap in newest_gaps(topics.gaps)
        if gap.partition == partition and gap.stream == "trades"
    ]
    for second in seconds:
        if any(from_ms < (second + 1) * 1000 and to_ms >= second * 1000 for from_ms, to_ms in spans):
            yield second


def _repeated_seconds(ticks: list[WrittenBatch]) -> Iterator[int]:
    count = Counter(
        (one.batch.partition, one.batch.generation, one.batch.second) for one in ticks if not is_fence(one.batch)
    )
    return (second for (_, _, second), times in count.items() if times > 1)


def _count(judgement: Judgement, name: str, where: str, found: Iterable[int]) -> None:
    violations = sorted(found)
    setattr(judgement, name, getattr(judgement, name) + len(violations))
    if violations:
        shown = ", ".join(str(one) for one in violations[:SHOWN])
        judgement.examples.append(f"{where}: {len(violations)} {name}: {shown}")
