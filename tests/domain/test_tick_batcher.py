"""The stream cut into seconds."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.tick_batcher import TickBatcher
from app.domain.ticks import BookSnapshot, Quote, Trade
from app.records import Book, TickBatch, Trades

GRACE_MS = 50.0


def trade(trade_id: int, time_ms: int, symbol: str = "BTCUSDT") -> Trade:
    """Return a trade."""
    return Trade(symbol, trade_id, time_ms, 60_000.0 + trade_id, 0.1, trade_id % 2 == 0)


def quote(update_id: int, time_ms: int) -> Quote:
    """Return a quote."""
    return Quote("BTCUSDT", update_id, time_ms, 60_000.0, 1.0, 60_000.01, 2.0)


def snapshot(update_id: int, time_ms: int) -> BookSnapshot:
    """Return a book of one level."""
    book = Book(time_ms=time_ms, update_id=update_id, bid=[1.0], bid_size=[2.0], ask=[3.0], ask_size=[4.0])
    return BookSnapshot("BTCUSDT", book)


def batcher(second: int = 100, rate: float = 1.0) -> TickBatcher:
    """Return a batcher of two symbols."""
    return TickBatcher(3, ("BTCUSDT", "ETHUSDT"), second, rate)


def ids(batch: TickBatch, symbol: str = "BTCUSDT") -> list[int]:
    """Return the trade ids of a batch."""
    return batch.symbols[symbol].trades.id


def test_a_second_holds_its_first_millisecond_and_not_the_next_seconds_first() -> None:
    """[second, second + 1)."""
    cut = batcher()
    for trade_id, time_ms in enumerate((100_000, 100_999, 101_000)):
        cut.add(trade(trade_id, time_ms))
    assert ids(cut.close(1.0, 1)) == [0, 1]
    assert ids(cut.close(2.0, 1)) == [2]


def test_it_closes_when_a_trade_of_a_later_second_arrives() -> None:
    """That trade proves that the exchange has gone on."""
    cut = batcher()
    cut.add(trade(1, 100_999))
    assert not cut.is_closable(101_010.0, GRACE_MS)
    cut.add(trade(2, 101_000))
    assert cut.is_closable(101_010.0, GRACE_MS)


def test_a_quote_of_a_later_second_does_not_close_it() -> None:
    """A quote's time is the local clock's: trades of the second may not have arrived yet."""
    cut = batcher()
    cut.add(quote(1, 101_001))
    assert not cut.is_closable(101_001.0, GRACE_MS)


@pytest.mark.parametrize(("exchange_ms", "over"), [(101_049.9, False), (101_050.0, True)])
def test_without_trades_it_closes_a_grace_after_its_end(exchange_ms: float, over: bool) -> None:
    """A silent second is a second."""
    assert batcher().is_closable(exchange_ms, GRACE_MS) is over


def test_the_grace_is_wall_time_so_a_fast_replay_waits_longer_on_the_exchanges_clock() -> None:
    """50 ms at speed 20 are a second."""
    fast = batcher(rate=20.0)
    assert not fast.is_closable(101_999.0, GRACE_MS)
    assert fast.is_closable(102_000.0, GRACE_MS)


@pytest.mark.parametrize("ahead_ms", [1_100, 30_000])
def test_a_trade_from_the_future_closes_nothing_early_and_waits_for_its_second(ahead_ms: int) -> None:
    """One wrong time, also if it is only a second ahead: every second closes a grace after its end."""
    cut = batcher()
    cut.add(trade(1, 100_000 + ahead_ms))
    for second in range(100, (100_000 + ahead_ms) // 1000):
        assert not cut.is_closable((second + 1) * 1000 - 101.0, GRACE_MS)
        assert cut.is_closable((second + 1) * 1000 + 50.0, GRACE_MS)
        assert ids(cut.close(1.0, 1)) == []
    assert ids(cut.close(1.0, 1)) == [1]


def test_a_late_trade_joins_the_open_second_under_its_own_time_and_is_counted() -> None:
    """Nothing is lost, nothing is rewritten."""
    cut = batcher()
    cut.add(trade(1, 100_500))
    cut.close(1.0, 1)
    cut.add(trade(2, 100_998))
    cut.add(trade(3, 101_001))
    ticks = cut.close(2.0, 1).symbols["BTCUSDT"]
    assert (ticks.trades.time_ms, ticks.late, ticks.last_id) == ([100_998, 101_001], 1, 3)


def test_silent_seconds_and_silent_symbols_carry_the_last_id() -> None:
    """So every batch has the last trade id of every symbol."""
    cut = batcher()
    cut.add(trade(7, 100_500))
    first, second = cut.close(1.0, 1), cut.close(2.0, 1)
    assert [batch.symbols["BTCUSDT"].last_id for batch in (first, second)] == [7, 7]
    assert second.symbols["BTCUSDT"].trades == Trades()
    assert second.symbols["ETHUSDT"].last_id == -1
    assert (first.second, second.second, second.partition) == (100, 101, 3)


def test_trades_out_of_order_leave_in_order_of_id_and_repeats_leave_once() -> None:
    """Two sockets, one of them slower."""
    cut = batcher()
    taken = [cut.add(trade(trade_id, 100_100 + trade_id)) for trade_id in (1, 3, 2, 3, 1, 4)]
    assert taken == [True, True, True, False, False, True]
    assert ids(cut.close(1.0, 1)) == [1, 2, 3, 4]


def test_ids_given_up_are_missing_in_the_next_batch_and_in_no_other() -> None:
    """The ledger shows every gap once."""
    cut = batcher()
    cut.add(trade(1, 100_100))
    cut.add(trade(5, 100_200))
    assert [symbol for symbol, _ in cut.gaps()] == ["BTCUSDT"]
    assert cut.give_up("BTCUSDT", 2, 4) == 2
    assert [cut.close(1.0, 1).symbols["BTCUSDT"].missing, cut.close(2.0, 1).symbols["BTCUSDT"].missing] == [2, 0]


def test_a_quote_seen_before_is_dropped_and_an_older_one_too() -> None:
    """The best bid and ask only move forward."""
    cut = batcher()
    assert [cut.add(quote(update_id, 100_100)) for update_id in (50, 50, 49, 51)] == [True, False, False, True]


def test_a_damaged_update_id_does_not_silence_the_quotes_behind_it() -> None:
    """An id far below the last one means that the last one was wrong."""
    cut = batcher()
    assert [cut.add(quote(update_id, 100_100)) for update_id in (50, 2**62, 51, 52)] == [True] * 4


def test_a_quote_from_before_the_open_second_belongs_to_it() -> None:
    """The local clock was set back a little."""
    cut = batcher()
    cut.add(quote(1, 99_990))
    assert cut.close(1.0, 1).symbols["BTCUSDT"].quotes.time_ms == [100_000]


def test_a_second_has_the_last_book_of_it_and_none_where_none_came() -> None:
    """The next second's first one stays with it; a book is never carried."""
    cut = batcher()
    assert all(cut.add(snapshot(number, time_ms)) for number, time_ms in ((1, 100_100), (2, 100_990), (3, 101_050)))
    books = [cut.close(1.0, 1).symbols["BTCUSDT"].book for _ in range(3)]
    assert [book and (book.update_id, book.time_ms) for book in books] == [(2, 100_990), (3, 101_050), None]


def test_an_older_book_is_dropped_and_one_that_did_not_change_is_taken() -> None:
    """Overlapping connections; a market in which nothing happens."""
    cut = batcher()
    added = [cut.add(snapshot(update_id, 100_100)) for update_id in (50, 49, 50)]
    assert added == [True, False, True]
    assert cut.add(snapshot(2**62, 100_200))
    assert cut.add(snapshot(51, 100_300))


def test_a_book_from_before_the_open_second_belongs_to_it() -> None:
    """It took longer than usual."""
    cut = batcher()
    cut.add(snapshot(1, 99_990))
    closed = cut.close(1.0, 1).symbols["BTCUSDT"].book
    assert closed is not None
    assert closed.time_ms == 100_000


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (trade(8, 100_500), ""),
        (trade(8, 160_501), "trade time 160501 is in the future"),
        (quote(8, 100_500), ""),
    ],
)
def test_what_cannot_be_true_is_refused_with_its_reason(event: Trade | Quote, reason: str) -> None:
    """A minute ahead."""
    cut = batcher()
    assert cut.implausible_reason(event, 100_500.0) == reason


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(95_000, 110_000)), max_size=60))
def test_whatever_comes_every_id_leaves_once_and_every_second_is_there(arrivals: list[tuple[int, int]]) -> None:
    """Late, early, repeated, out of order."""
    cut = batcher(second=95)
    cut.buffers["BTCUSDT"].ids.next = 0
    for trade_id, time_ms in arrivals:
        cut.add(trade(trade_id, time_ms))
    closed = [cut.close(1.0, 1) for _ in range(16)]
    written = [trade_id for batch in closed for trade_id in ids(batch)]
    assert sorted(written) == sorted({trade_id for trade_id, _ in arrivals})
    assert [batch.second for batch in closed] == list(range(95, 111))
    assert msgspec.json.decode(msgspec.json.encode(closed[0]), type=TickBatch) == closed[0]


def test_a_damaged_id_waits_and_is_refused_and_a_quiet_symbols_jump_is_released() -> None:
    """Each symbol by itself."""
    cut = batcher()
    received = [trade(7, 100_000), trade(9_000_000, 100_001), *(trade(n, 100_000 + n) for n in range(9, 15))]
    eth = [trade(7, 100_000, "ETHUSDT"), trade(9, 100_100, "ETHUSDT")]
    for one in (*received, *eth):
        for believed in cut.check(one, one.time_ms):
            cut.add(believed)
    cut.release(100_500.0)
    assert [refused.id for refused in cut.refused()] == [9_000_000]
    assert list(cut.refused()) == []
    batch = cut.close(1.0, 1)
    assert (ids(batch), ids(batch, "ETHUSDT")) == ([7, *range(9, 15)], [7, 9])


def test_the_last_id_follows_a_sequence_that_starts_anew() -> None:
    """A takeover goes on from there."""
    cut = batcher()
    for one in (*(trade(n, 100_000 + n) for n in range(500, 510)), *(trade(n, 100_600 + n) for n in range(1, 11))):
        for believed in cut.check(one, one.time_ms):
            cut.add(believed)
    batch = cut.close(1.0, 1)
    assert sorted(ids(batch)) == [*range(1, 11), *range(500, 510)]
    assert batch.symbols["BTCUSDT"].last_id == 10
