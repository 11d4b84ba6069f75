"""The open second of every partition that a replica fills."""

from app.clock import Clock, steady_ms
from app.collector.collector_metrics import CollectorMetrics
from app.collector.open_seconds import OpenSeconds
from app.domain.tick_batcher import TickBatcher
from app.domain.ticks import Trade

PARTITION_OF = {"BTCUSDT": 2, "ETHUSDT": 5}


def trade(trade_id: int, time_ms: int, symbol: str = "BTCUSDT") -> Trade:
    """Return a trade."""
    return Trade(symbol, trade_id, time_ms, 1.0, 1.0, True)


def clock_at(exchange_ms: float) -> Clock:
    """Return a clock that shows this time now."""
    return Clock(exchange_ms, steady_ms())


def opened(metrics: CollectorMetrics, **seconds: int) -> OpenSeconds:
    """Return the open seconds of these symbols' partitions."""
    open_seconds = OpenSeconds(PARTITION_OF, metrics)
    for symbol, second in seconds.items():
        open_seconds.add(TickBatcher(PARTITION_OF[symbol], (symbol,), second), generation=second)
    return open_seconds


def test_events_of_partitions_that_other_replicas_fill_are_ignored() -> None:
    """Every replica receives every symbol."""
    metrics = CollectorMetrics()
    open_seconds = opened(metrics, BTCUSDT=100)
    open_seconds.update(trade(1, 100_100, "ETHUSDT"), clock_at(100_200.0))
    open_seconds.update(trade(7, 100_100), clock_at(100_200.0))
    batches = open_seconds.close_due(clock_at(101_060.0), grace_ms=50.0)
    assert [(batch.partition, batch.generation) for batch in batches] == [(2, 100)]
    assert batches[0].symbols["BTCUSDT"].trades.id == [7]
    assert "ETHUSDT" not in batches[0].symbols


def test_seconds_close_oldest_first_across_partitions_and_say_whether_they_are_late() -> None:
    """A second that closes more than a second after its end was filled after the fact."""
    open_seconds = opened(CollectorMetrics(), BTCUSDT=101, ETHUSDT=100)
    batches = open_seconds.close_due(clock_at(103_060.0), grace_ms=50.0)
    assert [(batch.second, batch.partition) for batch in batches] == [(100, 5), (101, 2), (101, 5), (102, 2), (102, 5)]
    assert [batch.late for batch in batches] == [True, True, True, False, False]


def test_nothing_closes_before_its_grace_is_over() -> None:
    """Trades of its last moment are still in transit."""
    open_seconds = opened(CollectorMetrics(), BTCUSDT=100)
    assert open_seconds.close_due(clock_at(101_020.0), grace_ms=500.0) == []
    due_in_s = open_seconds.due_in_s(clock_at(101_000.0), grace_ms=500.0)
    assert due_in_s is not None
    assert 0.4 < due_in_s <= 0.5


def test_a_trade_of_a_later_second_wakes_the_closing() -> None:
    """It proves that the open second is over."""
    open_seconds = opened(CollectorMetrics(), BTCUSDT=100)
    open_seconds.changed.clear()
    open_seconds.update(trade(1, 100_900), clock_at(100_950.0))
    assert not open_seconds.changed.is_set()
    open_seconds.update(trade(2, 101_001), clock_at(101_005.0))
    assert open_seconds.changed.is_set()


def test_repeated_and_implausible_events_are_counted() -> None:
    """Overlapping connections carry each event twice; a damaged frame may show any time."""
    metrics = CollectorMetrics()
    open_seconds = opened(metrics, BTCUSDT=100)
    for event in (trade(1, 100_100), trade(1, 100_100), trade(2, 999_999_000)):
        open_seconds.update(event, clock_at(100_200.0))
    assert (metrics.progress["repeated"], metrics.progress["malformed"]) == (1, 1)


def test_a_trade_from_the_future_is_counted_and_closes_nothing() -> None:
    """A time that is wrong by half a minute, in a frame that can be read."""
    metrics = CollectorMetrics()
    open_seconds = opened(metrics, BTCUSDT=100)
    for event in (trade(1, 100_100), trade(2, 130_100)):
        open_seconds.update(event, clock_at(100_200.0))
    assert (metrics.progress["ahead"], metrics.progress["malformed"]) == (1, 0)
    assert open_seconds.close_due(clock_at(100_900.0), grace_ms=500.0) == []


def test_a_removed_partition_is_filled_no_longer() -> None:
    """Its open second is another replica's to close."""
    open_seconds = opened(CollectorMetrics(), BTCUSDT=100, ETHUSDT=100)
    open_seconds.remove(2)
    open_seconds.remove(2)
    assert len(open_seconds) == 1
    assert [batch.partition for batch in open_seconds.close_due(clock_at(101_060.0), grace_ms=50.0)] == [5]
    open_seconds.remove(5)
    assert open_seconds.due_in_s(clock_at(101_060.0), grace_ms=50.0) is None


def test_symbols_with_gaps_are_listed_with_their_cutter() -> None:
    """They are filled over REST."""
    open_seconds = opened(CollectorMetrics(), BTCUSDT=100, ETHUSDT=100)
    for trade_id in (1, 4, 5):
        open_seconds.update(trade(trade_id, 100_100), clock_at(100_200.0))
    assert [(batcher.partition, symbol) for batcher, symbol in open_seconds.gaps()] == [(2, "BTCUSDT")]


def test_a_topic_that_holds_seconds_of_the_future_is_seen() -> None:
    """One partition goes on an hour from now; wall time, also in a replay."""
    open_seconds = opened(CollectorMetrics(), BTCUSDT=100, ETHUSDT=3700)
    assert 3599.0 < open_seconds.ahead_s(clock_at(100_000.0)) <= 3600.0
    assert 179.0 < open_seconds.ahead_s(Clock(100_000.0, steady_ms(), 20.0)) <= 180.0
    open_seconds.remove(5)
    assert open_seconds.ahead_s(clock_at(100_500.0)) == 0.0
