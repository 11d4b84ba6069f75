"""What the collector counts of itself."""

from app.clock import Clock, wall_ms
from app.collector.collector_metrics import CollectorMetrics
from app.domain.tick_batcher import TickBatcher
from app.domain.ticks import Trade


def count(tally: CollectorMetrics, cutter: TickBatcher, clock: Clock, *, late: bool = False) -> None:
    """Close and write the open second."""
    batch = cutter.close(wall_ms(), 1, late=late)
    tally.closed(cutter)
    tally.written(batch, clock)


def test_completeness_falls_with_a_hole_and_comes_back_when_it_is_filled() -> None:
    """Absent ids of those that passed."""
    tally, cutter, clock = CollectorMetrics(), TickBatcher(0, ("BTCUSDT",), 100), Clock(101_000.0, wall_ms())
    for trade_id in (1, 2, 5):
        cutter.add(Trade("BTCUSDT", trade_id, 100_100, 1.0, 1.0, True))
    count(tally, cutter, clock)
    assert (tally.progress["completeness"], tally.progress["skipped"]) == (0.6, 2)
    cutter.add(Trade("BTCUSDT", 3, 100_100, 1.0, 1.0, True))
    cutter.give_up("BTCUSDT", 4, 5)
    count(tally, cutter, clock)
    assert (tally.progress["completeness"], tally.progress["missing"], tally.progress["late"]) == (0.8, 1, 1)


def test_the_delay_of_a_close_counts_from_the_end_of_the_second_and_late_seconds_do_not_count() -> None:
    """Wall time, up to the acknowledgement."""
    tally, cutter = CollectorMetrics(), TickBatcher(0, ("BTCUSDT",), 100)
    count(tally, cutter, Clock(101_040.0, wall_ms()))
    assert 40 <= tally.progress["close_delay_ms"] < 1000
    count(tally, cutter, Clock(109_000.0, wall_ms()), late=True)
    assert len(tally.delays_ms) == 1
    assert (tally.progress["batches"], tally.progress["late_batches"], tally.progress["second"]) == (2, 1, 101)
