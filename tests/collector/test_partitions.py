"""Partitions are assigned, filled, closed and revoked, without a broker."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import pytest

from app.collector import gap_filling, partitions
from app.collector.collector_metrics import CollectorMetrics
from app.collector.gaps_log import newest
from app.collector.partitions import Partitions
from app.domain.ticks import Trade
from app.records import TickBatch, Ticks
from app.settings import Settings
from tests.collector.fakes import NOW_S, SPEED, FakeGapsLog, FakeMembership, FakeRest, FakeTicksLog, ready_market

SETTINGS = Settings(symbols=("BTCUSDT",), partitions=8, speed=SPEED)  # BTCUSDT: partition 2


class Membership:
    """One membership under test and what it is made of."""

    def __init__(self, before: Iterable[TickBatch]) -> None:
        self.group, self.ticks_log, self.metrics = FakeMembership(), FakeTicksLog(before), CollectorMetrics()
        self.gaps_log = FakeGapsLog()
        self.market = ready_market(SETTINGS, self.metrics)
        rest = FakeRest([Trade("BTCUSDT", trade_id, NOW_S * 1000, 1.0, 1.0, True) for trade_id in range(1, 9)])
        self.partitions = Partitions(
            SETTINGS, self.group, self.ticks_log, self.gaps_log, self.market, rest, self.metrics
        )  # fmt: skip
        self.task = asyncio.create_task(self.partitions.run())

    async def until_filled(self) -> None:
        """Assign partition 2, and 3 that has no symbol, and wait for the takeover."""
        await asyncio.sleep(0.01)
        await self.group.assign({2, 3})
        async with asyncio.timeout(2.0):
            while not self.partitions.count:
                await asyncio.sleep(0.01)

    def receive(self, trade_id: int) -> None:
        """Receive a trade of now."""
        self.partitions.update(Trade("BTCUSDT", trade_id, int(self.market.clock.exchange_ms()), 1.0, 1.0, True))


@asynccontextmanager
async def running(*before: TickBatch) -> AsyncIterator[Membership]:
    """Run a membership and cancel it at the end."""
    membership = Membership(before)
    try:
        yield membership
    finally:
        membership.task.cancel()
        await asyncio.wait([membership.task])


async def test_an_assigned_partition_goes_on_after_its_newest_batch_with_a_higher_generation() -> None:
    """Readers refuse what the previous replica still writes."""
    newest = TickBatch(partition=2, second=NOW_S - 3, closed_ms=1.0, generation=9, symbols={"BTCUSDT": Ticks()})
    async with running(newest) as membership:
        await membership.until_filled()
        await asyncio.sleep(0.2)
    assert membership.partitions.count == 1
    seconds = [batch.second for batch in membership.ticks_log.written]
    assert seconds[:4] == [NOW_S - 2, NOW_S - 1, NOW_S, NOW_S + 1]
    assert seconds == list(range(seconds[0], seconds[-1] + 1))
    assert {batch.generation for batch in membership.ticks_log.written} == {10}
    assert [(fence.second, fence.generation) for fence in membership.ticks_log.fences] == [(-1, 10)]


async def test_an_empty_partition_begins_with_the_groups_generation() -> None:
    """The second of the first frame."""
    async with running() as membership:
        await membership.until_filled()
        membership.receive(7)
        await asyncio.sleep(0.2)
    written = membership.ticks_log.written
    assert (written[0].second, written[0].generation) == (NOW_S, 4)
    assert [trade_id for batch in written for trade_id in batch.symbols["BTCUSDT"].trades.id] == [7]


async def test_a_revoked_partition_is_filled_no_longer_and_everything_closed_is_written_first() -> None:
    """The next replica goes on from there."""
    async with running() as membership:
        await membership.until_filled()
        membership.ticks_log.available.clear()
        await asyncio.sleep(0.15)
        revocation = asyncio.ensure_future(membership.group.revoke({2, 3}))
        await asyncio.sleep(0.05)
        assert membership.partitions.count == 0
        assert not revocation.done()
        membership.ticks_log.available.set()
        await revocation
        count = len(membership.ticks_log.written)
        await asyncio.sleep(0.15)
        assert len(membership.ticks_log.written) == count > 0


async def test_a_takeover_is_cancelled_when_its_partition_is_revoked() -> None:
    """It waits for the brokers' acknowledgements of what came before."""
    async with running() as membership:
        await asyncio.sleep(0.01)
        membership.market.ready.clear()
        await membership.group.assign({2})
        await asyncio.sleep(0.01)
        await membership.group.revoke({2})
        membership.market.ready.set()
        await asyncio.sleep(0.05)
        assert membership.partitions.count == 0


async def test_a_shutdown_writes_the_complete_seconds_and_leaves_the_group(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the grace: nobody waits for trades in transit."""
    monkeypatch.setattr(partitions, "CHECK_EVERY_S", 60.0)
    async with running() as membership:
        await membership.until_filled()
        monkeypatch.setattr(Partitions, "_grace_ms", 60_000.0)
        await asyncio.sleep(0.2)
        before = len(membership.ticks_log.written)
        newest = int(membership.market.clock.exchange_ms() // 1000) - 1
    assert len(membership.ticks_log.written) > before
    assert membership.ticks_log.written[-1].second >= newest
    assert membership.group.stopped


async def test_an_error_of_kafka_ends_the_membership() -> None:
    """The next one takes every partition over anew."""
    async with running() as membership:
        await membership.until_filled()
        membership.ticks_log.error = TimeoutError("no acknowledgement")
        with pytest.raises(ExceptionGroup) as caught:
            await asyncio.wait_for(membership.task, 2.0)
        assert str(caught.value.exceptions[0]) == "no acknowledgement"
        assert membership.group.stopped


async def test_a_process_that_was_suspended_longer_than_its_session_ends_the_membership(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another replica may have its partitions."""
    async with running() as membership:
        await membership.until_filled()
        monkeypatch.setattr(partitions, "SESSION_MS", -1)
        with pytest.raises(ExceptionGroup) as caught:
            await asyncio.wait_for(membership.task, 2.0)
        assert "this process was suspended longer than the session timeout" in str(caught.value.exceptions[0])


async def test_too_many_rounds_without_an_acknowledgement_end_the_membership(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is finite."""
    monkeypatch.setattr(partitions, "MOST_WAITING", 1)
    monkeypatch.setattr("app.collector.batch_writer.FLUSH_TIMEOUT_S", 0.05)
    async with running() as membership:
        await membership.until_filled()
        membership.ticks_log.available.clear()
        with pytest.raises(ExceptionGroup) as caught:
            await asyncio.wait_for(membership.task, 2.0)
        assert "wait for acknowledgements" in str(caught.value.exceptions[0])


async def test_gaps_are_filled_over_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two trades skipped, two fetched, in a later batch."""
    monkeypatch.setattr(gap_filling, "OUT_OF_ORDER_S", 0.0)
    monkeypatch.setattr(partitions, "CHECK_EVERY_S", 0.01)
    async with running() as membership:
        await membership.until_filled()
        await asyncio.sleep(0.05)
        membership.receive(1)
        membership.receive(4)
        membership.receive(5)
        await asyncio.sleep(0.8)
    written = membership.ticks_log.written
    assert sorted(trade_id for batch in written for trade_id in batch.symbols["BTCUSDT"].trades.id) == [1, 2, 3, 4, 5]
    assert (membership.metrics.progress["refilled"], membership.metrics.progress["missing"]) == (2, 0)
    assert [(gap.state, gap.reason, gap.opened_ids) for gap in newest(membership.gaps_log.gaps)] == [
        ("filled", "skipped", [(2, 3)])
    ]


async def test_what_nobody_collected_is_backfilled_beside_and_the_partition_is_live_at_once() -> None:
    """Away for longer than the windows: ids 1 to 8 are the exchange's, 8 comes by the stream."""
    ticks = {"BTCUSDT": Ticks(last_id=2)}
    newest_batch = TickBatch(partition=2, second=NOW_S - 4000, closed_ms=1.0, generation=1, symbols=ticks)
    async with running(newest_batch) as membership:
        await membership.until_filled()
        membership.receive(8)
        membership.receive(9)
        async with asyncio.timeout(8.0):
            while not membership.gaps_log.backfilled or any(
                one.state == "open" for one in membership.gaps_log.gaps[-1:]
            ):
                await asyncio.sleep(0.05)
        await asyncio.sleep(0.2)
    assert membership.ticks_log.written[0].second >= NOW_S - 3
    (batch,) = membership.gaps_log.backfilled
    assert (batch.symbols["BTCUSDT"].trades.id, batch.late) == ([3, 4, 5, 6, 7], True)
    quotes, gap = sorted(newest(membership.gaps_log.gaps), key=lambda one: one.stream)
    assert (quotes.state, quotes.reason, quotes.from_ms) == ("lost", "absent", (NOW_S - 3999) * 1000.0)
    assert (gap.state, gap.reason, gap.opened_ids, gap.ids) == ("filled", "absent", [(3, 7)], [])
    assert sum(one.symbols["BTCUSDT"].missing for one in membership.ticks_log.written) == 5
    assert membership.metrics.progress["completeness"] == 1.0
