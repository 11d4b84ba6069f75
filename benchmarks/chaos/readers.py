"""What readers see of a run: accepted batches of `btc.ticks`, backfilled trades, the newest record of each gap."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from app.domain.acceptance import refusal_reason
from app.records import Gap, TickBatch


class WrittenBatch(NamedTuple):
    """A batch in a topic, and when the broker had it, epoch ms."""

    appended_ms: float
    batch: TickBatch


class WrittenGap(NamedTuple):
    """A record of `btc.gaps`, and when the broker had it, epoch ms."""

    appended_ms: float
    gap: Gap


@dataclass
class TopicsOfRun:
    """Everything that one run wrote, each list in the order of each partition."""

    ticks: list[WrittenBatch] = field(default_factory=list)
    backfill: list[WrittenBatch] = field(default_factory=list)
    gaps: list[WrittenGap] = field(default_factory=list)


class DeliveredTrade(NamedTuple):
    """One trade as a reader gets it."""

    id: int
    second: int  # of its batch
    appended_ms: float
    is_backfilled: bool


def is_fence(batch: TickBatch) -> bool:
    """Return whether a batch only announces its generation: it has no second or no symbols."""
    return batch.second < 0 or not batch.symbols


def accepted(ticks: Iterable[WrittenBatch]) -> dict[int, list[WrittenBatch]]:
    """Return the batches of each partition that its readers accept, fences left out."""
    kept: dict[int, list[WrittenBatch]] = defaultdict(list)
    generations: dict[int, int] = defaultdict(int)
    for written in ticks:
        batch, seen = written.batch, kept[written.batch.partition]
        last_second = seen[-1].batch.second if seen and not is_fence(batch) else None
        last_generation = generations[batch.partition]
        if refusal_reason(batch, last_second=last_second, last_generation=last_generation) not in {"", "fence"}:
            continue
        generations[batch.partition] = batch.generation
        if not is_fence(batch):
            seen.append(written)
    return dict(kept)


def delivered(topics: TopicsOfRun) -> dict[str, list[DeliveredTrade]]:
    """Return the trades of each symbol that readers get.

    A piece of backfill may be written again after a crash: readers know a trade by symbol, second and id, and drop the
    repeat. The same id in `btc.ticks` and in the backfill, or in two seconds, is a doubled trade.
    """
    found: dict[str, list[DeliveredTrade]] = defaultdict(list)
    for batches in accepted(topics.ticks).values():
        for symbol, trade in _trades(batches, is_backfilled=False):
            found[symbol].append(trade)
    seen = set[tuple[str, int, int]]()
    for symbol, trade in _trades(topics.backfill, is_backfilled=True):
        if (symbol, trade.second, trade.id) not in seen:
            seen.add((symbol, trade.second, trade.id))
            found[symbol].append(trade)
    return dict(found)


def newest_gaps(gaps: Iterable[WrittenGap]) -> list[Gap]:
    """Return the newest record of each gap; a lower generation than the one before is refused."""
    newest: dict[str, Gap] = {}
    for _, gap in gaps:
        known = newest.get(gap.id)
        if known is None or gap.generation >= known.generation:
            newest[gap.id] = gap
    return list(newest.values())


def _trades(batches: Iterable[WrittenBatch], *, is_backfilled: bool) -> Iterator[tuple[str, DeliveredTrade]]:
    for appended_ms, batch in batches:
        for symbol, ticks in batch.symbols.items():
            for trade_id in ticks.trades.id:
                yield symbol, DeliveredTrade(trade_id, batch.second, appended_ms, is_backfilled)
