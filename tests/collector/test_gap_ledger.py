"""The gap ledger: whatever happens in whatever order, every id is delivered once or named."""

import random

import pytest

from app.collector.backfill import Backfill
from app.collector.collector_metrics import CollectorMetrics
from app.collector.gap_ledger import GapLedger
from app.collector.gap_tracker import GapTracker
from app.collector.gaps_log import newest
from app.collector.ticks_log import PartitionTail
from app.domain.id_spans import count, from_inclusive, spans_of, subtract, union
from app.domain.tick_batcher import TickBatcher
from app.domain.ticks import Trade
from app.records import Gap
from tests.collector.fakes import FakeGapsLog, FakeRest

SYMBOL = "BTCUSDT"
BATCHER = TickBatcher(0, (SYMBOL,), 100)


def gap(reason: str = "skipped", to_ms: float = 0.0) -> Gap:
    """Return a gap to open."""
    return Gap(id="", symbol=SYMBOL, partition=0, stream="trades", state="open", reason=reason, from_ms=1.0,
               to_ms=to_ms, opened_ms=2.0)  # fmt: skip


def ids_of(spans: list[tuple[int, int]]) -> set[int]:
    """Return the ids of spans as the wire has them."""
    return {one for start, stop in from_inclusive(spans) for one in range(start, stop)}


def random_spans(chance: random.Random) -> list[tuple[int, int]]:
    """Return up to three spans of ids below 200."""
    starts = [chance.randrange(200) for _ in range(chance.randint(1, 3))]
    return union((start, start + chance.randint(1, 30)) for start in starts)


@pytest.mark.parametrize("seed", range(200))
def test_any_interleaving_ends_with_every_opened_id_filled_or_named(seed: int) -> None:
    """Open, hand over, fill and lose at random; the ledger is carried over kill −9 by its records."""
    chance, ledger, kept = random.Random(seed), GapLedger(), list[Gap]()
    ledger.add_partition(0, 1)
    opened, filled, lost = set[int](), set[int](), set[int]()
    for _step in range(60):
        spans = random_spans(chance)
        open_now = {one for start, stop in ledger.open_spans(SYMBOL) for one in range(start, stop)}
        hit = open_now & {one for start, stop in spans for one in range(start, stop)}
        match chance.choice(("open", "hand_over", "fill", "lose", "restart")):
            case "open":
                new = subtract(spans, spans_of(opened))  # an id is skipped once
                assert ledger.open(gap(), new) == count(new)
                opened |= {one for start, stop in new for one in range(start, stop)}
            case "hand_over":
                ledger.hand_over(SYMBOL, spans)
            case "fill":
                assert ledger.fill(SYMBOL, spans, 3.0) == len(hit)
                filled |= hit
            case "lose":
                assert ledger.lose(SYMBOL, spans, 3.0) == len(hit)
                lost |= hit
            case _:
                kept += ledger.take_changes()
                ledger = GapLedger()
                ledger.add_partition(0, 1)
                for record in newest(kept):
                    if record.state == "open":
                        ledger.load(record)
    records = newest([*kept, *ledger.take_changes()])
    still_open = {one for record in records if record.state == "open" for one in ids_of(record.ids)}
    named = {one for record in records for one in ids_of(record.lost_ids)}
    assert {one for record in records for one in ids_of(record.opened_ids)} == opened
    assert (named, still_open) == (lost, opened - filled - lost)
    assert all(ids_of(record.ids) == ids_of(record.lost_ids) for record in records if record.state == "lost")


def test_a_gap_counts_for_the_windows_while_it_is_open_and_touches_them() -> None:
    """What forecasts are flagged from."""
    ledger = GapLedger()
    ledger.add_partition(0, 1)
    ledger.open(gap(to_ms=5_000.0), [(1, 4)])
    assert (ledger.open_count(SYMBOL, since_ms=4_000.0), ledger.open_count(SYMBOL, since_ms=6_000.0)) == (3, 0)
    ledger.fill(SYMBOL, [(1, 4)], 9.0)
    assert ledger.open_count(SYMBOL) == 0


async def test_a_partition_goes_on_with_what_its_former_owner_left() -> None:
    """What the newest batches hold is filled, what they miss and no record names is opened, the rest is open still."""
    log = FakeGapsLog()
    former = GapTracker(log, CollectorMetrics())
    await former.load(BATCHER, None, 1, 0.0)
    former.open(SYMBOL, 0, [(10, 13), (20, 22)], "skipped", (1.0, 2.0))
    former.open(SYMBOL, 0, [(30, 31)], "skipped", (1.0, 2.0))
    former.ledger.fill(SYMBOL, [(30, 31)], 3.0)  # by the backfill: no batch of the tail has it
    await former.write()
    tracker = GapTracker(log, CollectorMetrics())
    tail = PartitionTail(100, 1, {SYMBOL: 50}, {SYMBOL: [(11, 13), (20, 22), (30, 31), (40, 42)]}, {SYMBOL: [10, 50]})
    await tracker.load(BATCHER, tail, 2, 0.0)
    await tracker.write()
    assert tracker.ledger.open_spans(SYMBOL) == [(11, 13), (20, 22), (40, 42)]
    piece = tracker.ledger.next_piece()
    assert piece is not None
    assert piece.spans == [(11, 13), (20, 22), (40, 42)]


async def test_a_backfill_that_is_killed_after_its_piece_was_written_repeats_only_that_piece() -> None:
    """The record shrinks after the brokers have the piece: the same ids in the same seconds come once more."""
    rest = FakeRest([Trade(SYMBOL, one, one * 100, 1.0, 1.0, True) for one in range(3000) if one != 1500])
    log = FakeGapsLog()
    for generation in (1, 2):
        tracker = GapTracker(log, CollectorMetrics())
        await tracker.load(BATCHER, PartitionTail(100, 1, {SYMBOL: 2500}), generation, 0.0)
        tracker.open(SYMBOL, 0, [(100, 2400)], "absent", (1.0, 2.0))
        tracker.ledger.hand_over(SYMBOL, [(0, 2501)])
        await tracker.write()
        backfill = Backfill(tracker, log, rest, CollectorMetrics(), pause_s=0.0)
        for _piece in range(4):
            if piece := tracker.ledger.next_piece():
                await backfill._fill(piece)
            if generation == 1:
                del log.gaps[-1]  # killed before the record
                break
    ids = [one for batch in log.backfilled for one in batch.symbols[SYMBOL].trades.id]
    assert sorted(set(ids)) == [one for one in range(100, 2400) if one != 1500]
    assert sorted({one for one in ids if ids.count(one) > 1}) == list(range(100, 1100))
    assert [(record.state, record.ids) for record in newest(log.gaps)] == [("lost", [(1500, 1500)])]
    for batch in log.backfilled:
        assert {time_ms // 1000 for time_ms in batch.symbols[SYMBOL].trades.time_ms} == {batch.second}
