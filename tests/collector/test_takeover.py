"""A partition is resumed from its newest batch and recent events."""

import asyncio

import pytest

from app.clock import Clock, steady_ms
from app.collector.collector_metrics import CollectorMetrics
from app.collector.market_data import MarketData
from app.collector.takeover import WINDOWS_S, take_over
from app.collector.ticks_log import PartitionTail
from app.domain.tick_batcher import TickBatcher
from app.domain.ticks import BookSnapshot, Event, Quote, Trade
from app.records import Book
from app.settings import Settings
from tests.collector.fakes import FakeRest

NOW_S = 1_000_000


def trade(trade_id: int, second: float) -> Trade:
    """Return a trade at a second."""
    return Trade("BTCUSDT", trade_id, int(second * 1000), 1.0, 1.0, True)


def received(events: list[Event], started_s: float) -> MarketData:
    """Return market data that received these events, its first frame at a second; now is NOW_S."""
    market = MarketData(Settings(), CollectorMetrics(), on_event=lambda _event: None)
    clock = Clock(NOW_S * 1000.0, steady_ms())
    market.receive("{}", clock.wall_of_ms(started_s * 1000))
    market.update_clock(clock)
    for event in events:
        market._recent.append((clock.wall_of_ms(event.time_ms), event))
    return market


async def taken(tail: PartitionTail | None, events: list[Event], rest: FakeRest, started_s: float) -> TickBatcher:
    """Take the partition over."""
    return await take_over(0, ("BTCUSDT",), tail, received(events, started_s), rest)


def contents(batcher: TickBatcher, until: int) -> dict[int, list[int]]:
    """Close the seconds up to one; return second → trade ids."""
    batches = [batcher.close(1.0, 1) for _ in range(batcher.second, until)]
    return {batch.second: batch.symbols["BTCUSDT"].trades.id for batch in batches}


async def test_seconds_since_the_newest_batch_come_from_recent_events() -> None:
    """No request is needed where the replica was connected all the time."""
    rest = FakeRest([])
    events: list[Event] = [trade(10, NOW_S - 9.5), trade(11, NOW_S - 7.5), trade(12, NOW_S - 5.5)]
    batcher = await taken(PartitionTail(NOW_S - 9, 1, {"BTCUSDT": 10}), events, rest, NOW_S - 20)
    assert contents(batcher, NOW_S - 4) == {NOW_S - 8: [11], NOW_S - 7: [], NOW_S - 6: [12], NOW_S - 5: []}
    assert rest.asked == []


async def test_what_happened_before_it_listened_is_fetched_by_id_into_its_own_seconds() -> None:
    """A restart."""
    known = [trade(10, NOW_S - 9.5), trade(11, NOW_S - 7.5), trade(12, NOW_S - 5.5), trade(13, NOW_S - 1.5)]
    rest = FakeRest(known)
    batcher = await taken(PartitionTail(NOW_S - 9, 1, {"BTCUSDT": 10}), [known[-1]], rest, NOW_S - 2)
    assert contents(batcher, NOW_S - 1) == {
        NOW_S - 8: [11], NOW_S - 7: [], NOW_S - 6: [12], NOW_S - 5: [], NOW_S - 4: [], NOW_S - 3: [], NOW_S - 2: [13],
    }  # fmt: skip
    assert rest.asked == [11]
    assert not list(batcher.gaps())


async def test_more_than_a_thousand_trades_take_more_than_one_request() -> None:
    """Binance's limit."""
    rest = FakeRest([trade(trade_id, NOW_S - 100 + trade_id / 100) for trade_id in range(2500)])
    batcher = await taken(PartitionTail(NOW_S - 101, 1, {"BTCUSDT": -1 + 1}), [], rest, NOW_S)
    assert rest.asked == [1, 1001, 2001]
    assert sum(len(ids) for ids in contents(batcher, NOW_S).values()) == 2499


async def test_where_rest_refuses_the_partition_is_live_with_a_hole_in_its_ids() -> None:
    """The hole is filled beside."""
    rest = FakeRest([], failures=99)
    came: list[Event] = [trade(15, NOW_S - 1.5), trade(16, NOW_S - 1.4)]
    batcher = await taken(PartitionTail(NOW_S - 9, 1, {"BTCUSDT": 10}), came, rest, NOW_S - 2)
    assert (batcher.second, len(rest.asked)) == (NOW_S - 2, 1)
    assert [ids.gaps for _, ids in batcher.gaps()] == [[(11, 15)]]


async def test_where_rest_does_not_answer_it_waits_no_longer_than_two_seconds() -> None:
    """A ban of ten minutes blocks every request for as long."""

    class BannedRest(FakeRest):
        async def get_trades(self, symbol: str, from_id: int) -> list[Trade]:
            await asyncio.sleep(600)
            return await super().get_trades(symbol, from_id)

    async with asyncio.timeout(2.9):
        batcher = await taken(PartitionTail(NOW_S - 9, 1, {"BTCUSDT": 10}), [], BannedRest([]), NOW_S - 2)
    assert batcher.second >= NOW_S - 2


async def test_quotes_of_seconds_already_written_are_left_out() -> None:
    """They are in `btc.ticks`."""
    quotes: list[Event] = [Quote("BTCUSDT", n, (NOW_S - 5 + n) * 1000, 1.0, 1.0, 2.0, 1.0) for n in range(4)]
    batcher = await taken(PartitionTail(NOW_S - 4, 1, {"BTCUSDT": -1}), quotes, FakeRest([]), NOW_S - 20)
    times = [time_ms // 1000 for _ in range(4) for time_ms in batcher.close(1.0, 1).symbols["BTCUSDT"].quotes.time_ms]
    assert times == [NOW_S - 3, NOW_S - 2]


async def test_books_of_seconds_already_written_are_left_out() -> None:
    """They are in `btc.ticks`, and would otherwise stand in the wrong second."""
    books: list[Event] = [
        BookSnapshot(
            "BTCUSDT", Book(time_ms=(NOW_S - 5 + n) * 1000, update_id=n, bid=[], bid_size=[], ask=[], ask_size=[])
        )
        for n in (0, 2)
    ]
    batcher = await taken(PartitionTail(NOW_S - 5, 1, {"BTCUSDT": -1}), books, FakeRest([]), NOW_S - 20)
    found = [batcher.close(1.0, 1).symbols["BTCUSDT"].book for _ in range(3)]
    assert [book and book.update_id for book in found] == [None, 2, None]


async def test_after_more_than_the_windows_a_partition_is_live_at_once_and_its_ids_go_on() -> None:
    """Two days: three million ids are no damaged id then."""
    rest, tail = FakeRest([]), PartitionTail(NOW_S - WINDOWS_S - 172_800, 1, {"BTCUSDT": 10})
    came: list[Event] = [trade(3_000_010, NOW_S - 1), trade(3_000_011, NOW_S - 0.9)]
    batcher = await taken(tail, came, rest, NOW_S - 2)
    assert (batcher.second, rest.asked) == (NOW_S - 1, [])
    assert [ids.gaps for _, ids in batcher.gaps()] == [[(11, 3_000_010)]]
    assert batcher.check(trade(5_000_000, NOW_S), NOW_S * 1000.0) == [], "the next jump is judged as ever"


@pytest.mark.parametrize(
    ("first", "second"), [(trade(1, NOW_S - 3.5), NOW_S - 4), (trade(1, NOW_S - 90), NOW_S - 5), (None, NOW_S - 3)]
)
async def test_an_empty_partition_begins_with_the_first_event_received(first: Trade | None, second: int) -> None:
    """Or with the second the first frame came in; a trade much older is merely late."""
    batcher = await taken(None, [first] if first else [], FakeRest([]), NOW_S - 3)
    assert batcher.second == second
