"""A partition changes hands."""

import pytest

from app.clock import Clock, wall_ms
from app.collector.intake import Intake
from app.collector.rest_client import ROWS, RestClient
from app.collector.takeover import LONGEST_GAP_S, take_over
from app.collector.ticks_log import PartitionTail
from app.domain.tick_batcher import TickBatcher
from app.domain.ticks import Event, Quote, Trade
from app.settings import Settings

NOW_S = 1_000_000


class Rest(RestClient):
    """An exchange that knows these trades."""

    def __init__(self, trades: list[Trade], failures: int = 0) -> None:
        self.known, self.failures, self.asked = trades, failures, list[int]()

    async def trades(self, symbol: str, from_id: int) -> list[Trade]:
        """Answer as `aggTrades?fromId` does."""
        self.asked.append(from_id)
        self.failures -= 1
        if self.failures >= 0:
            raise TimeoutError("slow")
        return [trade for trade in self.known if trade.id >= from_id and trade.symbol == symbol][:ROWS]


def trade(trade_id: int, second: float) -> Trade:
    """Return a trade at a second."""
    return Trade("BTCUSDT", trade_id, int(second * 1000), 1.0, 1.0, True)


def heard(events: list[Event], started_s: float, rest: RestClient) -> Intake:
    """Return an intake that heard these events since a second; now is NOW_S."""
    intake = Intake(Settings(), rest, lambda _event: None)
    intake._clock = Clock(NOW_S * 1000.0, wall_ms())
    intake.started_ms = started_s * 1000
    for event in events:
        intake._recent.append((intake.clock.wall_of_ms(event.time_ms), event))
    return intake


async def taken(place: PartitionTail | None, events: list[Event], rest: Rest, started_s: float) -> TickBatcher:
    """Take the partition over."""
    return await take_over(0, ("BTCUSDT",), place, heard(events, started_s, rest), rest)


def contents(cutter: TickBatcher, until: int) -> dict[int, list[int]]:
    """Close the seconds up to one; return second → trade ids."""
    batches = [cutter.close(1.0, 1) for _ in range(cutter.second, until)]
    return {batch.second: batch.symbols["BTCUSDT"].trades.id for batch in batches}


async def test_seconds_since_the_last_batch_come_from_what_was_heard() -> None:
    """No request is needed while the replica was listening all the time."""
    rest = Rest([])
    events: list[Event] = [trade(10, NOW_S - 9.5), trade(11, NOW_S - 7.5), trade(12, NOW_S - 5.5)]
    cutter = await taken(PartitionTail(NOW_S - 9, 1, {"BTCUSDT": 10}), events, rest, NOW_S - 20)
    assert contents(cutter, NOW_S - 4) == {NOW_S - 8: [11], NOW_S - 7: [], NOW_S - 6: [12], NOW_S - 5: []}
    assert rest.asked == []


async def test_what_happened_before_it_listened_is_fetched_by_id_into_its_own_seconds() -> None:
    """A restart."""
    known = [trade(10, NOW_S - 9.5), trade(11, NOW_S - 7.5), trade(12, NOW_S - 5.5), trade(13, NOW_S - 1.5)]
    rest = Rest(known)
    cutter = await taken(PartitionTail(NOW_S - 9, 1, {"BTCUSDT": 10}), [known[-1]], rest, NOW_S - 2)
    assert contents(cutter, NOW_S - 1) == {
        NOW_S - 8: [11], NOW_S - 7: [], NOW_S - 6: [12], NOW_S - 5: [], NOW_S - 4: [], NOW_S - 3: [], NOW_S - 2: [13],
    }  # fmt: skip
    assert rest.asked == [11]
    assert not list(cutter.gaps())


async def test_more_than_a_thousand_trades_take_more_than_one_request() -> None:
    """Binance's limit."""
    rest = Rest([trade(trade_id, NOW_S - 100 + trade_id / 100) for trade_id in range(2500)])
    cutter = await taken(PartitionTail(NOW_S - 101, 1, {"BTCUSDT": -1 + 1}), [], rest, NOW_S)
    assert rest.asked == [1, 1001, 2001]
    assert sum(len(ids) for ids in contents(cutter, NOW_S).values()) == 2499


async def test_what_cannot_be_fetched_stays_a_hole_to_fill_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """The takeover does not wait for ever."""
    monkeypatch.setattr("app.collector.takeover.backoff_s", lambda _failures: 0.0)
    rest = Rest([], failures=99)
    cutter = await taken(PartitionTail(NOW_S - 9, 1, {"BTCUSDT": 10}), [trade(15, NOW_S - 1.5)], rest, NOW_S - 2)
    assert [ids.gaps for _, ids in cutter.gaps()] == [[(11, 15)]]


async def test_holes_of_the_one_before_are_inherited() -> None:
    """Its ids skipped and not refilled."""
    place = PartitionTail(NOW_S - 1, 1, {"BTCUSDT": 10}, {"BTCUSDT": [(5, 7)]})
    cutter = await taken(place, [trade(5, NOW_S - 9)], Rest([]), NOW_S - 20)
    assert [ids.gaps for _, ids in cutter.gaps()] == [[(6, 7)]]
    assert contents(cutter, NOW_S + 1)[NOW_S] == [5]


async def test_quotes_of_seconds_already_written_are_left_out() -> None:
    """They are in the ledger."""
    quotes: list[Event] = [Quote("BTCUSDT", n, (NOW_S - 5 + n) * 1000, 1.0, 1.0, 2.0, 1.0) for n in range(4)]
    cutter = await taken(PartitionTail(NOW_S - 4, 1, {"BTCUSDT": -1}), quotes, Rest([]), NOW_S - 20)
    times = [time_ms // 1000 for _ in range(4) for time_ms in cutter.close(1.0, 1).symbols["BTCUSDT"].quotes.time_ms]
    assert times == [NOW_S - 3, NOW_S - 2]


async def test_after_more_than_an_hour_a_partition_starts_afresh() -> None:
    """That much is not filled after the fact."""
    rest = Rest([])
    place = PartitionTail(NOW_S - LONGEST_GAP_S - 1, 1, {"BTCUSDT": 10})
    cutter = await taken(place, [trade(99, NOW_S - 1)], rest, NOW_S - 2)
    assert (cutter.second, rest.asked) == (NOW_S - 1, [])


@pytest.mark.parametrize(
    ("first", "second"), [(trade(1, NOW_S - 3.5), NOW_S - 4), (trade(1, NOW_S - 90), NOW_S - 5), (None, NOW_S - 3)]
)
async def test_a_partition_without_history_begins_with_the_first_event_heard(first: Trade | None, second: int) -> None:
    """Or with the second the first frame came in; a trade much older is merely late."""
    cutter = await taken(None, [first] if first else [], Rest([]), NOW_S - 3)
    assert cutter.second == second
