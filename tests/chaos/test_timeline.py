"""Times of a fault: its first sign, the first batch on time afterwards, the last trade that came late."""

from pathlib import Path

import pytest

from app.emulator.sent_record import SentRecord
from benchmarks.chaos.timeline import FaultWindow, times_of, window_of
from tests.chaos.run_records import EXPECTATION, named, record_of, topics, written

MADE = {100: (7,), 101: (8, 9), 102: (10,), 103: (11,)}
FAULT = FaultWindow(101_000.0, 102_000.0)  # the exchange's clock is the wall clock here


@pytest.fixture
def record(tmp_path: Path) -> SentRecord:
    """Return the record of five trades in four seconds."""
    return record_of(tmp_path / "record", MADE)


def test_live_again_is_the_first_batch_on_time_of_a_second_begun_after_the_fault(record: SentRecord) -> None:
    """A batch without the trades of its second, an early or a late one is not live."""
    before = (written(100, [7]), written(101, [8, 9]))
    live = times_of(record, topics(*before, written(102, [10]), written(103, [11])), EXPECTATION, FAULT, None)
    assert live.live_again_s == pytest.approx(1.06)
    empty = topics(*before, written(102), written(103, [10, 11]))
    assert times_of(record, empty, EXPECTATION, FAULT, None).live_again_s == pytest.approx(2.06)
    early = topics(*before, written(102, [10], after_ms=-500.0), written(103, [11]))
    assert times_of(record, early, EXPECTATION, FAULT, None).live_again_s == pytest.approx(2.06)
    late = topics(*before, written(102, [10], after_ms=1500.0), written(103, [11], late=True))
    assert times_of(record, late, EXPECTATION, FAULT, None).live_again_s is None


def test_detected_is_the_first_sign_after_the_begin(record: SentRecord) -> None:
    """A line, a metric or a record of the ledger, whichever came first; none is None."""
    seen = topics(*(written(second, ids) for second, ids in MADE.items()))
    assert times_of(record, seen, EXPECTATION, FAULT, None).detected_s is None
    assert times_of(record, seen, EXPECTATION, FAULT, 101_300.0).detected_s == pytest.approx(0.3)
    seen.gaps.append(named(9, 9, at_ms=101_200.0))
    assert times_of(record, seen, EXPECTATION, FAULT, 101_300.0).detected_s == pytest.approx(0.2)


def test_refilled_is_the_last_trade_that_missed_its_batch_and_the_next(record: SentRecord) -> None:
    """Late by one batch is the grace of the wire; in time after the fault's end, or in the backfill, it is a refill."""
    seen = topics(written(100, [7]), written(101, [8]), written(102, [10, 9]), written(103, [11]))
    assert times_of(record, seen, EXPECTATION, FAULT, None).refilled_s is None
    late = topics(written(100, [7]), written(101, [8]), written(102, [10]), written(103, [11, 9]))
    times = times_of(record, late, EXPECTATION, FAULT, None)
    assert times.refilled_s == pytest.approx(2.06)
    assert times.refilled == 1
    back = topics(written(100, [7]), written(101, [8]), written(102, [10]), written(103, [11]),
                  backfill=[written(101, [9], after_ms=4000.0)])  # fmt: skip
    assert times_of(record, back, EXPECTATION, FAULT, None).refilled_s == pytest.approx(4.0)


def test_a_trade_that_the_stream_lost_is_a_refill_however_soon_it_comes(tmp_path: Path) -> None:
    """The record knows what was not sent; it came before the fault's end here."""
    record = record_of(tmp_path / "skipped", MADE, lost=(8,))
    seen = topics(*(written(second, ids) for second, ids in MADE.items()))
    times = times_of(record, seen, EXPECTATION, FaultWindow(101_000.0, 103_000.0), None)
    assert (times.refilled_s, times.refilled) == (0.0, 1)


def test_the_window_of_faults_is_from_the_first_begin_to_the_last_end() -> None:
    """An announced end of connections counts from the end itself."""
    skip = {"at_ms": 1000.0, "fault": {"fault": "skip", "after_s": 2.0, "seconds": 3.0}}
    notice = {"at_ms": 1000.0, "fault": {"fault": "server_shutdown", "grace_s": 9.0}}
    assert window_of([skip]) == FaultWindow(3000.0, 6000.0)
    assert window_of([skip, notice]) == FaultWindow(1000.0, 10_000.0)
