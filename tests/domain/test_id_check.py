"""Ids that do not fit those around them, and those that do in the end."""

from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.id_check import AGREEING, FAR_MS, NEAR, NEAR_MS, IdCheck
from app.domain.ticks import Trade
from app.domain.trade_ids import TradeIds


class Stream:
    """One symbol as a collector receives it: trades a millisecond apart, and a REST API that has the true ones."""

    def __init__(self, next_id: int | None = 100) -> None:
        self.ids, self.check, self.now_ms = TradeIds(next_id), IdCheck(), 1000
        self.taken: list[int] = []
        self.restarted_with: list[int] = []

    def receive(self, *received: int, at_ms: int | None = None) -> None:
        """Receive ids, each a millisecond later, or all of one time."""
        for trade_id in received:
            self.now_ms += at_ms is None
            trade = Trade("BTCUSDT", trade_id, self.now_ms if at_ms is None else at_ms, 1.0, 1.0, True)
            self._add(self.check.update(trade, self.ids, self.now_ms))

    def wait(self, wall_ms: float) -> None:
        """Let time pass without a trade."""
        self.now_ms += int(wall_ms)
        self._add(self.check.release(self.ids, self.now_ms))

    def refill(self, true: set[int]) -> None:
        """Fill the gaps with what the exchange has."""
        for start, stop in tuple(self.ids.gaps):
            self.taken += [trade_id for trade_id in range(start, stop) if trade_id in true and self.ids.add(trade_id)]

    def _add(self, believed: list[Trade]) -> None:
        self.taken += [trade.id for trade in believed if self.ids.add(trade.id)]


@pytest.mark.parametrize("by", [10_000, 3_000_000, NEAR, 5, 2, 1, -1, -5, -90, -10_000])
def test_one_damaged_id_is_missing_and_nothing_else(by: int) -> None:
    """Too high or too low; its true id is refilled, and the damaged one delivered by nobody twice."""
    stream = Stream()
    true = list(range(100, 160))
    stream.receive(*(trade_id + by if trade_id == 120 else trade_id for trade_id in true))
    assert stream.ids.gaps == [(120, 121)]
    stream.refill(set(true))
    assert sorted(stream.taken) == true


def test_skipped_ids_are_a_gap_once_the_next_trade_agrees() -> None:
    """Both come in order."""
    stream = Stream()
    stream.receive(100, 105)
    assert stream.taken == [100]
    stream.receive(106)
    assert (stream.taken, stream.ids.gaps) == ([100, 105, 106], [(101, 105)])


def test_a_jump_that_nothing_contradicts_is_believed_soon_and_a_large_one_is_not() -> None:
    """A symbol with a trade a minute does not wait for the next one."""
    near, far = Stream(), Stream()
    near.receive(100, 100 + NEAR)
    far.receive(100, 102 + NEAR)
    for stream in (near, far):
        stream.wait(NEAR_MS)
    assert (near.taken, far.taken) == ([100, 100 + NEAR], [100])
    far.wait(FAR_MS)
    assert (far.taken, far.check.refused) == ([100], [])


def test_in_a_symbol_that_trades_seldom_two_trades_decide_about_a_large_jump() -> None:
    """A trade a minute: eight in a row would take too long, and one may be damaged."""
    true, damaged = Stream(), Stream()
    for stream, following in ((true, 5001), (damaged, 101)):
        stream.receive(100, 5000)
        stream.wait(60_000)
        stream.receive(following)
        stream.wait(FAR_MS)
    assert (true.taken, true.ids.gaps) == ([100, 5000, 5001], [(101, 5000)])
    assert damaged.taken == [100, 101]
    assert [trade.id for trade in damaged.check.refused] == [5000]


def test_after_an_absence_the_first_jump_may_be_large() -> None:
    """Days away: one trade that nothing contradicts is enough, and the next jump is judged as ever."""
    stream = Stream()
    stream.check = IdCheck(first_jump=3_000_000)
    stream.receive(2_000_000)
    stream.wait(NEAR_MS)
    stream.receive(4_000_000)
    stream.wait(NEAR_MS)
    assert (stream.taken, stream.ids.gaps, stream.ids.restarts) == ([2_000_000], [(100, 2_000_000)], [])


def test_a_large_jump_is_a_gap_after_eight_trades_and_none_of_them_is_refused() -> None:
    """The connection was away for long."""
    stream = Stream()
    stream.receive(100, *range(9000, 9000 + AGREEING))
    assert (stream.taken, stream.ids.gaps) == ([100, *range(9000, 9000 + AGREEING)], [(101, 9000)])


@pytest.mark.parametrize("first", [1, 50, 2_000_000])
def test_ids_that_start_anew_are_recognised_and_every_trade_is_taken(first: int) -> None:
    """Lower or very much higher; also while another connection still repeats the old ones."""
    stream = Stream()
    stream.receive(*range(100, 200))
    past_ms = stream.now_ms
    for trade_id in range(first, first + 30):
        stream.receive(trade_id)
        stream.receive(150 + trade_id - first, at_ms=past_ms - 50 + trade_id - first)
    assert stream.taken == [*range(100, 200), *range(first, first + 30)]
    assert stream.ids.restarts == [(200, first)]


def test_repeats_of_one_busy_millisecond_do_not_start_anew() -> None:
    """Thirty trades of one time, by two connections."""
    stream = Stream()
    for _ in range(2):
        stream.receive(*range(100, 130), at_ms=5000)
    assert (stream.taken, stream.ids.restarts) == (list(range(100, 130)), [])


def test_a_first_id_that_is_damaged_is_corrected_after_eight_trades() -> None:
    """It is believed: nothing stands beside it."""
    stream = Stream(None)
    stream.receive(10_100, *range(101, 101 + AGREEING))
    assert (stream.taken, stream.ids.gaps) == ([10_100, *range(101, 101 + AGREEING)], [])


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from((0.0, 0.02, 0.1)), st.sampled_from((0.0, 0.1)), st.integers(1, 6))
def test_whatever_happens_to_them_true_ids_are_taken_once_and_no_other(
    seed: int, damaged: float, skipped: float, window: int
) -> None:
    """Damage, lost trades, repeats by a second connection and reordering at once."""
    random = Random(seed)
    true = list(range(100, 400))
    sent = [trade_id for trade_id in true if trade_id < 103 or random.random() >= skipped]
    stream = Stream()
    for at in range(0, len(sent), window):
        block = random.sample(sent[at : at + window], len(sent[at : at + window]))
        for trade_id in block:
            is_damaged = 103 < trade_id < 380 and random.random() < damaged
            by = random.choice((10_000, -10_000, 2_000_000, 5000)) if is_damaged else 0
            at_ms = 1000 + trade_id
            stream.now_ms = max(stream.now_ms, at_ms)
            for _ in range(random.randint(1, 2)):
                stream.receive(trade_id + by, at_ms=at_ms)
    stream.receive(*range(400, 400 + AGREEING))
    stream.refill(set(true))
    counts = Counter(stream.taken)
    assert set(counts) == {*true, *range(400, 400 + AGREEING)}
    assert max(counts.values()) == 1
    assert stream.ids.restarts == []
