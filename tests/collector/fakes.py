"""Stand-ins for Kafka and the exchange in the collector's unit tests."""

import asyncio
from collections.abc import Callable, Iterable

from app.clock import Clock, steady_ms
from app.collector.collector_metrics import CollectorMetrics
from app.collector.gaps_log import GapsLog, newest
from app.collector.group_membership import GroupMembership, OnPartitions
from app.collector.market_data import MarketData
from app.collector.rest_client import ROWS, RestClient
from app.collector.ticks_log import TicksLog
from app.domain.acceptance import fence
from app.domain.ticks import Event, Trade
from app.records import Gap, TickBatch
from app.settings import Settings

NOW_S = 1_000_000
SPEED = 20.0


class FakeTicksLog(TicksLog):
    """`btc.ticks` in memory."""

    def __init__(self, before: Iterable[TickBatch] = ()) -> None:
        self.before, self.fences, self.written = list(before), list[TickBatch](), list[TickBatch]()
        self.error: Exception | None = None
        self.available = asyncio.Event()
        self.available.set()

    async def write(self, batches: Iterable[TickBatch]) -> None:
        """Keep batches, once the brokers are available."""
        await self.available.wait()
        if self.error:
            raise self.error
        self.written += batches

    async def write_fence(self, partition: int, generation: int) -> int:
        """Keep a fence; return its offset."""
        self.fences.append(fence(partition, generation, 0.0))
        return len(self.before) + len(self.fences) - 1

    async def read_newest(self, partition: int, before: int | None = None) -> list[TickBatch]:
        """Return what was there and the fences."""
        assert partition == 2
        return (self.before + self.fences)[:before]


class FakeGapsLog(GapsLog):
    """`btc.gaps` and `btc.backfill` in memory."""

    def __init__(self, gaps: Iterable[Gap] = ()) -> None:
        self.gaps, self.backfilled = list(gaps), list[TickBatch]()

    async def write(self, gaps: Iterable[Gap]) -> None:
        """Keep gaps."""
        self.gaps += gaps

    async def write_backfill(self, batches: Iterable[TickBatch]) -> None:
        """Keep batches."""
        self.backfilled += batches

    async def read(self, partition: int) -> list[Gap]:
        """Return the newest record of each gap."""
        return [gap for gap in newest(self.gaps) if gap.partition == partition]


class FakeMembership(GroupMembership):
    """A group in which the test assigns and revokes partitions."""

    def __init__(self) -> None:
        self.stopped = False
        self.assign: OnPartitions = _nothing
        self.revoke: OnPartitions = _nothing

    @property
    def generation(self) -> int:
        """The group's generation."""
        return 4

    async def confirm(self) -> None:
        """Be a member."""

    async def start(self, on_assigned: OnPartitions, on_revoked: OnPartitions) -> None:
        """Join."""
        self.assign, self.revoke = on_assigned, on_revoked

    async def run(self) -> None:
        """Stay a member."""
        await asyncio.Event().wait()

    async def stop(self) -> None:
        """Leave."""
        self.stopped = True


class FakeRest(RestClient):
    """An exchange that has these trades; the first requests fail, the next ones are answered with nothing."""

    def __init__(self, trades: list[Trade], *, failures: int = 0, empty: int = 0) -> None:
        self.trades, self.failures, self.empty, self.asked = trades, failures, empty, list[int]()

    async def get_trades(self, symbol: str, from_id: int) -> list[Trade]:
        """Answer as `aggTrades?fromId` does."""
        self.asked.append(from_id)
        if len(self.asked) <= self.failures:
            raise TimeoutError("slow")
        if len(self.asked) <= self.failures + self.empty:
            return []
        return [trade for trade in self.trades if trade.id >= from_id and trade.symbol == symbol][:ROWS]


async def _nothing(_partitions: set[int]) -> None:
    """Stand for a callback before the start."""


def ready_market(
    settings: Settings, metrics: CollectorMetrics, on_event: Callable[[Event], None] = lambda _event: None
) -> MarketData:
    """Return market data whose first frame came now, at NOW_S, at twenty times real time."""
    market = MarketData(settings, metrics, on_event)
    now_ms = steady_ms()
    market.receive("{}", now_ms)
    market.update_clock(Clock(NOW_S * 1000.0, now_ms, SPEED))
    return market
