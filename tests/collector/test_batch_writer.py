"""Batches are written in order while further seconds close."""

import asyncio

import pytest

from app.collector.batch_writer import BatchWriter
from app.collector.collector_metrics import CollectorMetrics
from app.records import TickBatch
from app.settings import Settings
from tests.collector.fakes import FakeTicksLog, ready_market


def batch(second: int) -> TickBatch:
    """Return an empty batch."""
    return TickBatch(partition=2, second=second, closed_ms=1.0, symbols={})


def writer_to(ticks_log: FakeTicksLog, metrics: CollectorMetrics) -> BatchWriter:
    """Return a started writer."""
    writer = BatchWriter(ticks_log, ready_market(Settings(), metrics), metrics)
    writer.start()
    return writer


async def test_batches_are_written_in_order_and_counted() -> None:
    """A flush returns when the brokers have them all."""
    ticks_log, metrics = FakeTicksLog(), CollectorMetrics()
    writer = writer_to(ticks_log, metrics)
    writer.put([batch(1), batch(2)])
    writer.put([batch(3)])
    await writer.flush()
    assert [one.second for one in ticks_log.written] == [1, 2, 3]
    assert (metrics.progress["batches"], metrics.progress["second"]) == (3, 3)
    await writer.stop()


async def test_rounds_wait_while_the_brokers_are_down_and_a_stop_waits_for_them() -> None:
    """They come back within the five seconds."""
    ticks_log = FakeTicksLog()
    ticks_log.available.clear()
    writer = writer_to(ticks_log, CollectorMetrics())
    for second in range(3):
        writer.put([batch(second)])
    await asyncio.sleep(0.01)
    assert writer.waiting == 2
    stopping = asyncio.create_task(writer.stop())
    await asyncio.sleep(0.01)
    assert not stopping.done()
    ticks_log.available.set()
    await stopping
    assert len(ticks_log.written) == 3


async def test_a_stop_does_not_wait_for_brokers_that_stay_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kubernetes would kill the process."""
    monkeypatch.setattr("app.collector.batch_writer.FLUSH_TIMEOUT_S", 0.05)
    ticks_log = FakeTicksLog()
    ticks_log.available.clear()
    writer = writer_to(ticks_log, CollectorMetrics())
    writer.put([batch(1)])
    async with asyncio.timeout(1.0):
        await writer.stop()
    assert ticks_log.written == []


async def test_an_error_of_kafka_ends_the_run() -> None:
    """And a stop returns at once: nothing can be written any more."""
    ticks_log = FakeTicksLog()
    ticks_log.error = TimeoutError("no acknowledgement")
    writer = writer_to(ticks_log, CollectorMetrics())
    writer.put([batch(1)])
    with pytest.raises(TimeoutError, match="no acknowledgement"):
        await writer.run()
    async with asyncio.timeout(0.5):
        await writer.stop()


async def test_a_cancelled_run_leaves_the_writing_alone() -> None:
    """What is closed during a shutdown is still written."""
    ticks_log = FakeTicksLog()
    writer = writer_to(ticks_log, CollectorMetrics())
    running = asyncio.create_task(writer.run())
    await asyncio.sleep(0)
    running.cancel()
    await asyncio.wait([running])
    writer.put([batch(1)])
    await writer.stop()
    assert len(ticks_log.written) == 1
