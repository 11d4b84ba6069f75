"""Metrics and progress of the collector."""

import pytest
from prometheus_client import REGISTRY

from app.clock import Clock, steady_ms, wall_ms
from app.collector.collector_metrics import CollectorMetrics
from app.domain.tick_batcher import TickBatcher
from app.domain.ticks import Trade


def count(metrics: CollectorMetrics, batcher: TickBatcher, clock: Clock, *, late: bool = False) -> None:
    """Close and write the open second."""
    batch = batcher.close(wall_ms(), 1, late=late)
    metrics.count_closed(batcher)
    metrics.count_written(batch, clock)


def test_completeness_falls_with_a_gap_and_comes_back_when_it_is_filled() -> None:
    """Absent ids of those that passed."""
    metrics, batcher, clock = CollectorMetrics(), TickBatcher(0, ("BTCUSDT",), 100), Clock(101_000.0, steady_ms())
    for trade_id in (1, 2, 5):
        batcher.add(Trade("BTCUSDT", trade_id, 100_100, 1.0, 1.0, True))
    count(metrics, batcher, clock)
    assert (metrics.progress["completeness"], metrics.progress["skipped"]) == (0.6, 2)
    batcher.add(Trade("BTCUSDT", 3, 100_100, 1.0, 1.0, True))
    batcher.give_up("BTCUSDT", 4, 5)
    count(metrics, batcher, clock)
    assert (metrics.progress["completeness"], metrics.progress["missing"], metrics.progress["late"]) == (0.8, 1, 1)


def test_the_delay_of_a_close_counts_from_the_end_of_the_second_and_late_seconds_do_not_count() -> None:
    """Wall time, up to the acknowledgement."""
    metrics, batcher = CollectorMetrics(), TickBatcher(0, ("BTCUSDT",), 100)
    count(metrics, batcher, Clock(101_040.0, steady_ms()))
    assert 40 <= metrics.progress["close_delay_ms"] < 1000
    count(metrics, batcher, Clock(109_000.0, steady_ms()), late=True)
    assert len(metrics.delays_ms) == 1
    assert (metrics.progress["batches"], metrics.progress["late_batches"], metrics.progress["second"]) == (2, 1, 101)


def test_the_first_ten_malformed_frames_are_logged_and_all_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    """A stream of damaged frames does not fill the log."""
    metrics = CollectorMetrics()
    for number in range(12):
        metrics.count_malformed("no price", f"frame {number}")
    assert metrics.progress["malformed"] == 12
    assert "".join(capsys.readouterr()).count("a frame is skipped") == 10


def test_counts_of_a_symbol_begin_at_zero_and_lost_trades_are_counted() -> None:
    """Prometheus sees the first loss as an increase."""
    metrics, batcher = CollectorMetrics(), TickBatcher(0, ("LOSTUSDT",), 100)
    metrics.start(batcher.buffers)
    for name in ("lost", "missing", "refilled", "late"):
        assert REGISTRY.get_sample_value(f"btc_ticks_{name}_total", {"symbol": "LOSTUSDT"}) == 0
    for trade_id in (1, 5):
        batcher.add(Trade("LOSTUSDT", trade_id, 100_100, 1.0, 1.0, True))
    batcher.give_up("LOSTUSDT", 2, 5)
    count(metrics, batcher, Clock(101_000.0, steady_ms()))
    assert metrics.progress["completeness"] == 0.4
    metrics.count_backfilled("LOSTUSDT", 0, 3)
    assert REGISTRY.get_sample_value("btc_ticks_lost_total", {"symbol": "LOSTUSDT"}) == 3
