"""Gaps in the trade ids are filled over REST."""

import asyncio

import pytest

from app.collector import gap_filling
from app.collector.collector_metrics import CollectorMetrics
from app.collector.gap_filling import fill_gaps
from app.collector.gap_tracker import GapTracker
from app.domain.tick_batcher import TickBatcher
from app.domain.ticks import Trade
from tests.collector.fakes import FakeGapsLog, FakeRest


def trade(trade_id: int, symbol: str = "BTCUSDT") -> Trade:
    """Return a trade of second 100."""
    return Trade(symbol, trade_id, 100_100, 1.0, 1.0, True)


def exchange_with(ids: list[int], *, failures: int = 0, empty: int = 0) -> FakeRest:
    """Return an exchange that has these trades."""
    return FakeRest([trade(trade_id) for trade_id in ids], failures=failures, empty=empty)


def batcher_with(*ids: int) -> TickBatcher:
    """Return a batcher that received these ids."""
    batcher = TickBatcher(0, ("BTCUSDT",), 100)
    for trade_id in ids:
        batcher.add(trade(trade_id))
    return batcher


def ids_of(batcher: TickBatcher) -> list[int]:
    """Close the open second and return its trade ids."""
    return batcher.close(1.0, 1).symbols["BTCUSDT"].trades.id


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every attempt follow at once."""
    for name in ("OUT_OF_ORDER_S", "FIRST_WAIT_S"):
        monkeypatch.setattr(gap_filling, name, 0.0)


class Filling:
    """A fill of the gaps of a batcher, its ledger and metrics."""

    def __init__(self) -> None:
        self.metrics = CollectorMetrics()
        self.tracker = GapTracker(FakeGapsLog(), self.metrics)
        self.tracker.ledger.add_partition(0, 1)

    async def run(self, batcher: TickBatcher, rest: FakeRest) -> float:
        """Fill; return how many trades REST gave."""
        await fill_gaps(batcher, "BTCUSDT", rest, self.tracker, self.metrics)
        return self.metrics.progress["refilled"]


async def test_what_is_fetched_after_ids_started_anew_is_not_added() -> None:
    """The answer is of the old numbering: in the new one it would be a jump."""
    batcher = batcher_with(1_000, 1_003)

    class Restarting(FakeRest):
        async def get_trades(self, symbol: str, from_id: int) -> list[Trade]:
            batcher.buffers["BTCUSDT"].ids.restart(7)
            return [trade(number) for number in range(from_id, from_id + 3)]

    assert await Filling().run(batcher, Restarting([])) == 0
    assert batcher.buffers["BTCUSDT"].ids.next == 7


async def test_skipped_trades_are_fetched_and_nothing_else_is_added() -> None:
    """REST returns later trades too; they come by the stream. Filled is what the brokers have."""
    batcher, filling = batcher_with(1, 2, 6), Filling()
    assert await filling.run(batcher, exchange_with(list(range(1, 9)))) == 3
    assert filling.tracker.ledger.open_count("BTCUSDT") == 3
    batch = batcher.close(1.0, 1)
    assert (batch.symbols["BTCUSDT"].trades.id, batch.symbols["BTCUSDT"].missing) == ([1, 2, 3, 4, 5, 6], 0)
    filling.tracker.count_written(batch)
    assert [(gap.state, gap.opened_ids) for gap in filling.tracker.ledger.take_changes()] == [("filled", [(3, 5)])]


async def test_ids_that_the_exchange_passes_over_are_lost_and_named() -> None:
    """They count as missing and are not asked for again."""
    batcher, rest, filling = batcher_with(1, 6), exchange_with([1, 2, 5, 6, 7]), Filling()
    assert await filling.run(batcher, rest) == 2
    batch = batcher.close(1.0, 1)
    filling.tracker.count_written(batch)
    assert (batch.symbols["BTCUSDT"].missing, rest.asked) == (2, [2])
    assert [(gap.state, gap.ids) for gap in filling.tracker.ledger.take_changes()] == [("lost", [(3, 4)])]
    assert filling.metrics.progress["lost"] == 2


async def test_more_than_a_thousand_trades_take_more_than_one_request() -> None:
    """Binance's limit."""
    rest = exchange_with(list(range(2500)))
    assert await Filling().run(batcher_with(0, 2400), rest) == 2399
    assert rest.asked == [1, 1001, 2001]


async def test_a_failed_or_empty_answer_is_tried_again() -> None:
    """The REST API is a little behind the streams."""
    batcher, rest = batcher_with(1, 4), exchange_with([2, 3, 4], failures=2, empty=3)
    assert await Filling().run(batcher, rest) == 2
    assert len(rest.asked) == 6
    assert ids_of(batcher) == [1, 2, 3, 4]


async def test_what_rest_does_not_give_in_time_is_left_to_the_backfill(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is given up: the ids stay open, and a late arrival is the backfill's."""
    monkeypatch.setattr(gap_filling, "REFILL_S", 0.05)
    batcher, filling = batcher_with(1, 4), Filling()
    assert await filling.run(batcher, exchange_with([], failures=10**6)) == 0
    assert not list(batcher.gaps())
    assert batcher.add(trade(2)) is False
    assert batcher.close(1.0, 1).symbols["BTCUSDT"].missing == 2
    piece = filling.tracker.ledger.next_piece()
    assert piece is not None
    assert (piece.start, piece.spans) == (2, [(2, 4)])


async def test_trades_that_are_only_out_of_order_open_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """They come within the first wait."""
    batcher, rest, filling = batcher_with(1, 3), exchange_with([2]), Filling()

    async def receive_it(_seconds: float) -> None:
        batcher.add(trade(2))

    monkeypatch.setattr(asyncio, "sleep", receive_it)
    assert await filling.run(batcher, rest) == 0
    assert (rest.asked, filling.tracker.ledger.take_changes()) == ([], [])
