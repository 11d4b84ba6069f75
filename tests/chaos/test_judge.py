"""The judge finds every kind of violation in constructed runs, and nothing in a run that keeps the promise."""

from pathlib import Path

import pytest

from app.clock import Clock
from app.emulator.sent_record import SentRecord
from benchmarks.chaos.judge import Expectation, Judgement, judge
from benchmarks.chaos.readers import TopicsOfRun, WrittenBatch, WrittenGap
from tests.chaos.run_records import EXPECTATION, SYMBOL, named, record_of, topics, written

MADE = {100: (7,), 101: (8, 9), 102: (10,), 103: (11,)}


@pytest.fixture
def record(tmp_path: Path) -> SentRecord:
    """Return the record of an exchange that made five trades in four seconds."""
    return record_of(tmp_path / "record", MADE)


def violations(record: SentRecord, seen: TopicsOfRun) -> list[str]:
    """Return what the judge finds."""
    return judge(record, seen, EXPECTATION).violations


def kept() -> TopicsOfRun:
    """Return the topics of a run that keeps every promise."""
    return topics(*(written(second, ids) for second, ids in MADE.items()))


def test_a_run_that_keeps_the_promise_has_no_violation(record: SentRecord) -> None:
    """Five trades, and the three seconds after that of the first trade."""
    judgement = judge(record, kept(), EXPECTATION)
    assert judgement == Judgement(made=5, delivered=5, seconds=3)
    assert not judgement.may_improve


def test_a_trade_that_is_neither_delivered_nor_named_is_unnamed(record: SentRecord) -> None:
    """The first promise; its id stands in the examples."""
    judgement = judge(record, topics(written(100, [7]), written(101, [8]), *kept().ticks[2:]), EXPECTATION)
    assert judgement.violations == ["1 unnamed"]
    assert judgement.examples == ["BTCUSDT: 1 unnamed: 9"]


def test_a_trade_that_nobody_was_sent_counts_too(tmp_path: Path) -> None:
    """The truth is what the exchange made: a skipped message can be had over REST."""
    record = record_of(tmp_path / "record", {100: (7,)})
    assert judge(record, topics(), EXPECTATION).made == 1
    silent = record_of(tmp_path / "silent", {100: (7,)}, copies=0)
    assert judge(silent, topics(), EXPECTATION).made == 0  # no client, nothing owed


def test_what_was_made_before_the_feed_was_live_is_not_owed(record: SentRecord) -> None:
    """Of two collectors that start together, one may be sent a trade of the other's partition first."""
    since = Expectation((SYMBOL,), 1, Clock(0.0, 0.0), until_s=104, since_us=101_000_000)
    judgement = judge(record, topics(*kept().ticks[1:]), since)
    assert judgement == Judgement(made=4, delivered=4, seconds=2)


def test_a_loss_that_the_ledger_names_is_no_violation(record: SentRecord) -> None:
    """Both ends of a span are in it."""
    judgement = judge(record, topics(written(100, [7]), written(101), *kept().ticks[2:], named(8, 9)), EXPECTATION)
    assert (judgement.violations, judgement.lost, judgement.open) == ([], 2, 0)


def test_an_open_gap_keeps_the_promise_but_may_improve(record: SentRecord) -> None:
    """The drain waits for it."""
    seen = topics(written(100, [7]), written(101, [8]), *kept().ticks[2:], named(9, 9, state="open"))
    judgement = judge(record, seen, EXPECTATION)
    assert (judgement.violations, judgement.open, judgement.may_improve) == ([], 1, True)


def test_only_the_newest_record_of_a_gap_counts(record: SentRecord) -> None:
    """A gap said to be filled names nothing any more, whatever a former owner says."""
    parts: list[WrittenBatch | WrittenGap] = [written(100, [7]), written(101, [8]), *kept().ticks[2:]]
    parts.append(named(9, 9, state="open"))
    filled = named(9, 9, state="filled", ids=[])
    assert violations(record, topics(*parts, filled)) == ["1 unnamed"]
    assert violations(record, topics(*parts, named(9, 9, state="filled", ids=[], generation=0))) == []


def test_a_named_trade_that_was_delivered_is_misnamed(record: SentRecord) -> None:
    """A ledger that names too much is as wrong as one that names too little."""
    assert violations(record, topics(*kept().ticks, named(9, 9))) == ["1 misnamed"]


def test_a_gap_of_another_stream_names_no_trade(record: SentRecord) -> None:
    """A quote outage says nothing about trades."""
    seen = topics(written(100, [7]), written(101, [8]), *kept().ticks[2:], named(9, 9, stream="quotes"))
    assert violations(record, seen) == ["1 unnamed"]


@pytest.mark.parametrize("where", ["one batch", "two batches", "the backfill"])
def test_a_trade_that_is_delivered_twice_is_doubled(record: SentRecord, where: str) -> None:
    """In one batch, in two, or by the live path and the backfill."""
    second = {"one batch": [8, 9, 9], "two batches": [8, 9, 7], "the backfill": [8, 9]}[where]
    backfill = [written(101, [9])] if where == "the backfill" else []
    seen = topics(written(100, [7]), written(101, second), *kept().ticks[2:], backfill=backfill)
    assert violations(record, seen) == ["1 doubled"]


def test_a_piece_of_backfill_that_is_written_again_is_no_double(record: SentRecord) -> None:
    """After a crash the last piece comes again, with the same ids in the same seconds."""
    piece = written(101, [9], late=True)
    seen = topics(written(100, [7]), written(101, [8]), *kept().ticks[2:], backfill=[piece, piece])
    assert violations(record, seen) == []
    moved = topics(*seen.ticks, backfill=[piece, written(102, [9], late=True)])
    assert violations(record, moved) == ["1 doubled"]


def test_an_id_that_the_exchange_never_made_is_unknown(record: SentRecord) -> None:
    """A damaged id that was believed."""
    assert violations(record, topics(written(100, [7, 10_007]), *kept().ticks[1:])) == ["1 unknown"]


def test_a_quote_outage_must_be_named(tmp_path: Path) -> None:
    """Quotes have no ids that could be missed: what counts is the time without any. A gap of trades names none."""
    quotes = record_of(tmp_path / "quotes", {second: (second,) for second in range(100, 120)}, kind="bookTicker",
                       lost=tuple(range(103, 111)))  # fmt: skip
    long = Expectation((SYMBOL,), 1, Clock(0.0, 0.0), until_s=120)
    assert judge(quotes, topics(), long).violations == ["1 outages"]
    assert judge(quotes, topics(named(8, 9)), long).violations == ["1 outages"]
    named_outage = named(0, 0, stream="quotes", ids=[], from_ms=103_000.0, to_ms=110_000.0)
    assert judge(quotes, topics(named_outage), long).violations == []
    short = record_of(tmp_path / "short", {100: (1,), 105: (2,)}, kind="bookTicker")
    assert judge(short, topics(), long).violations == []


def test_a_second_that_closes_before_its_end_is_early(record: SentRecord) -> None:
    """By the stamp of the close, or by the broker's if the collector's clock was wrong on purpose."""
    early = topics(written(100, [7]), written(101, [8, 9], closed_ms=101_900.0), *kept().ticks[2:])
    assert violations(record, early) == ["1 early"]
    stepped = Expectation((SYMBOL,), 1, Clock(0.0, 0.0), until_s=104, is_wall_clock_wrong=True)
    assert judge(record, early, stepped).violations == []
    appended = topics(written(100, [7]), written(101, [8, 9], after_ms=-100.0), *kept().ticks[2:])
    assert judge(record, appended, stepped).violations == ["1 early"]


def test_a_second_that_is_nowhere_is_missing(record: SentRecord) -> None:
    """Unless it was backfilled, or lies in a gap of the ledger."""
    without = (written(100, [7]), *kept().ticks[2:])
    assert violations(record, topics(*without)) == ["2 unnamed", "1 missing"]
    assert violations(record, topics(*without, backfill=[written(101, [8, 9])])) == []
    assert violations(record, topics(*without, named(8, 9))) == []
    assert violations(record, topics(*without, named(8, 9, to_ms=0.0, state="open"))) == []
    quotes = named(8, 9, stream="quotes", to_ms=0.0, state="open")
    assert violations(record, topics(*without, quotes)) == ["2 unnamed", "1 missing"]


def test_a_feed_that_ends_early_misses_its_last_seconds(record: SentRecord) -> None:
    """The feed owes every second until the end of the run, also if its process died."""
    assert violations(record, topics(*kept().ticks[:2])) == ["2 unnamed", "2 missing"]


def test_a_second_that_one_owner_writes_twice_is_repeated(record: SentRecord) -> None:
    """Readers drop the second copy; a former owner's copy is expected after a takeover."""
    seen = kept()
    seen.ticks.append(written(103, [11]))
    assert violations(record, seen) == ["1 repeated"]
    seen.ticks[-1] = written(103, [11], generation=0)
    assert violations(record, seen) == []


def test_what_a_former_owner_writes_after_the_fence_is_not_seen(record: SentRecord) -> None:
    """The fence has no second and no symbols, only a generation; readers skip it and remember that."""
    fence = written(-1, symbols={}, generation=2)
    seen = topics(*kept().ticks[:2], fence, *kept().ticks[2:])
    assert violations(record, seen) == ["2 unnamed", "2 missing"]
    successor = [written(102, [10], generation=2), written(103, [11], generation=2)]
    assert violations(record, topics(*kept().ticks[:2], fence, written(102, [10]), *successor)) == []
