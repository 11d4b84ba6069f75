"""Gaps in the trade ids are filled over REST."""

import asyncio
from collections.abc import Iterator

import pytest
import stamina

from app.collector import gap_filling
from app.collector.gap_filling import fill_gaps
from app.domain.tick_batcher import TickBatcher
from app.domain.ticks import Trade
from tests.collector.fakes import FakeRest


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
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make every attempt follow at once."""
    monkeypatch.setattr(gap_filling, "OUT_OF_ORDER_S", 0.0)
    with stamina.set_testing(True, attempts=gap_filling.ATTEMPTS, cap=True):
        yield


async def test_skipped_trades_are_fetched_and_nothing_else_is_added() -> None:
    """REST returns later trades too; they come by the stream."""
    batcher = batcher_with(1, 2, 6)
    assert await fill_gaps(batcher, "BTCUSDT", exchange_with(list(range(1, 9)))) == 3
    assert ids_of(batcher) == [1, 2, 3, 4, 5, 6]
    assert batcher.buffers["BTCUSDT"].missing == 0


async def test_ids_that_the_exchange_passes_over_do_not_exist() -> None:
    """They count as missing and are not asked for again."""
    batcher, rest = batcher_with(1, 6), exchange_with([1, 2, 5, 6, 7])
    assert await fill_gaps(batcher, "BTCUSDT", rest) == 2
    assert batcher.close(1.0, 1).symbols["BTCUSDT"].missing == 2
    assert rest.asked == [2]


async def test_more_than_a_thousand_trades_take_more_than_one_request() -> None:
    """Binance's limit."""
    rest = exchange_with(list(range(2500)))
    assert await fill_gaps(batcher_with(0, 2400), "BTCUSDT", rest) == 2399
    assert rest.asked == [1, 1001, 2001]


async def test_a_failed_or_empty_answer_is_tried_again() -> None:
    """The REST API is a little behind the streams."""
    batcher, rest = batcher_with(1, 4), exchange_with([2, 3, 4], failures=2, empty=3)
    assert await fill_gaps(batcher, "BTCUSDT", rest) == 2
    assert len(rest.asked) == 6
    assert ids_of(batcher) == [1, 2, 3, 4]


async def test_after_the_last_attempt_the_gaps_are_given_up_and_counted_as_missing() -> None:
    """Two minutes with the pauses."""
    batcher, rest = batcher_with(1, 4), exchange_with([], failures=99)
    assert await fill_gaps(batcher, "BTCUSDT", rest) == 0
    assert len(rest.asked) == gap_filling.ATTEMPTS
    assert not list(batcher.gaps())
    assert batcher.close(1.0, 1).symbols["BTCUSDT"].missing == 2


async def test_trades_that_are_only_out_of_order_need_no_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """They come within the first wait."""
    batcher, rest = batcher_with(1, 3), exchange_with([2])

    async def receive_it(_seconds: float) -> None:
        batcher.add(trade(2))

    monkeypatch.setattr(asyncio, "sleep", receive_it)
    assert await fill_gaps(batcher, "BTCUSDT", rest) == 0
    assert rest.asked == []
