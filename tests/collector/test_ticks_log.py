"""The end of a partition, from its newest batches."""

from app.collector.ticks_log import newest_generation, tail_of
from app.domain.acceptance import fence
from app.records import TickBatch, Ticks, Trades


def batch(
    second: int, ids: list[int], *, generation: int = 1, last_id: int | None = None, late: int = 0, missing: int = 0
) -> TickBatch:
    """Return a batch whose trades are in time, but for the first `late`."""
    times = [second * 1000 - 500 if at < late else second * 1000 + 5 for at in range(len(ids))]
    newest = last_id if last_id is not None else max(ids, default=-1)
    ticks = Ticks(trades=Trades(id=ids, time_ms=times), last_id=newest, late=late, missing=missing)
    return TickBatch(partition=0, second=second, closed_ms=1.0, generation=generation, symbols={"BTCUSDT": ticks})


def test_an_empty_partition_has_no_tail() -> None:
    """It starts anew."""
    assert tail_of([]) is None


def test_the_newest_batch_gives_the_second_the_generation_and_the_last_ids() -> None:
    """What the next batch goes on from."""
    tail = tail_of([batch(100, [1, 2]), batch(101, [], last_id=2, generation=3)])
    assert tail is not None
    assert (tail.second, tail.generation, tail.last_ids, tail.gaps) == (101, 3, {"BTCUSDT": 2}, {})


def test_ids_that_the_newest_batches_skip_are_gaps_to_fill() -> None:
    """A collector killed while it waited for REST leaves its work to the next one."""
    tail = tail_of([batch(100, [1, 2, 6]), batch(101, [4, 9], late=1)])
    assert tail is not None
    assert tail.gaps == {"BTCUSDT": [(3, 4), (5, 6), (7, 9)]}


def test_what_the_batches_hold_and_miss_is_told_by_ids_alone() -> None:
    """What became of missing ids is in the gap ledger."""
    tail = tail_of([batch(100, [1, 4]), batch(101, [5], missing=2)])
    assert tail is not None
    assert (tail.gaps, tail.ids) == ({"BTCUSDT": [(2, 4)]}, {"BTCUSDT": [1, 4, 5]})


def test_a_hole_after_silent_seconds_is_seen() -> None:
    """The id carried through them says where the trades went on: an absence of a symbol with few trades."""
    tail = tail_of([batch(100, [], last_id=7), batch(101, [], last_id=7), batch(900, [20])])
    assert tail is not None
    assert tail.gaps == {"BTCUSDT": [(8, 20)]}


def test_a_late_trade_of_before_the_tail_does_not_open_a_gap_up_to_now() -> None:
    """The tail begins with the first trade in time."""
    tail = tail_of([batch(100, [7, 5000, 5001], late=1), batch(101, [5002])])
    assert tail is not None
    assert tail.gaps == {}


def test_batches_of_a_lower_generation_and_repeated_seconds_do_not_count() -> None:
    """The rule of every reader."""
    tail = tail_of([batch(100, [1], generation=5), batch(101, [99], generation=4), batch(100, [50], generation=6)])
    assert tail is not None
    assert (tail.second, tail.last_ids) == (100, {"BTCUSDT": 1})


def test_what_a_former_owner_wrote_after_a_fence_does_not_count() -> None:
    """Also if the fence's owner never wrote a second."""
    batches = [batch(100, [1]), fence(0, 2, 1.0), batch(101, [99])]
    tail = tail_of(batches)
    assert tail is not None
    assert (tail.second, tail.last_ids) == (100, {"BTCUSDT": 1})
    assert newest_generation(batches) == 2


def test_a_partition_of_fences_has_no_tail_but_a_generation() -> None:
    """Its first owner died before its first second."""
    assert (tail_of([fence(0, 3, 1.0)]), newest_generation([fence(0, 3, 1.0)]), newest_generation([])) == (None, 3, -1)
