"""Where a partition stands, from its last batches."""

from app.collector.ticks_log import place_of
from app.records import TickBatch, Ticks, Trades


def batch(
    second: int, ids: list[int], *, generation: int = 1, last_id: int | None = None, late: int = 0, missing: int = 0
) -> TickBatch:
    """Return a batch whose trades are in time, but for the first `late`."""
    times = [second * 1000 - 500 if at < late else second * 1000 + 5 for at in range(len(ids))]
    newest = last_id if last_id is not None else max(ids, default=-1)
    ticks = Ticks(trades=Trades(id=ids, time_ms=times), last_id=newest, late=late, missing=missing)
    return TickBatch(partition=0, second=second, closed_ms=1.0, generation=generation, symbols={"BTCUSDT": ticks})


def test_an_empty_partition_stands_nowhere() -> None:
    """It starts afresh."""
    assert place_of([]) is None


def test_the_last_batch_says_where_to_go_on() -> None:
    """Its second, its generation, the last id of every symbol."""
    place = place_of([batch(100, [1, 2]), batch(101, [], last_id=2, generation=3)])
    assert place is not None
    assert (place.second, place.generation, place.last_ids, place.holes) == (101, 3, {"BTCUSDT": 2}, {})


def test_ids_that_the_last_batches_skip_are_holes_to_fill() -> None:
    """A collector killed while it waited for REST leaves its work to the next one."""
    place = place_of([batch(100, [1, 2, 6]), batch(101, [4, 9], late=1)])
    assert place is not None
    assert place.holes == {"BTCUSDT": [(3, 4), (5, 6), (7, 9)]}


def test_ids_given_up_are_not_waited_for_again() -> None:
    """The exchange does not know them."""
    place = place_of([batch(100, [1, 4]), batch(101, [5], missing=2)])
    assert place is not None
    assert place.holes == {}


def test_a_late_trade_of_before_the_tail_does_not_open_a_hole_up_to_now() -> None:
    """Only what was in time tells where the tail begins."""
    place = place_of([batch(100, [7, 5000, 5001], late=1), batch(101, [5002])])
    assert place is not None
    assert place.holes == {}


def test_batches_of_a_lower_generation_and_repeated_seconds_do_not_count() -> None:
    """As every reader reads."""
    place = place_of([batch(100, [1], generation=5), batch(101, [99], generation=4), batch(100, [50], generation=6)])
    assert place is not None
    assert (place.second, place.last_ids) == (100, {"BTCUSDT": 1})
