"""Trade ids without a hole."""

from hypothesis import given
from hypothesis import strategies as st

from app.domain.trade_ids import TradeIds


def test_the_first_id_opens_no_hole_whatever_it_is() -> None:
    """A stream is joined in the middle."""
    ids = TradeIds()
    assert ids.add(3_305_280_883)
    assert (ids.gaps, ids.span, ids.next) == ([], 1, 3_305_280_884)


def test_an_id_that_came_before_is_refused() -> None:
    """Overlapping sockets carry everything twice."""
    ids = TradeIds()
    assert [ids.add(trade_id) for trade_id in (7, 8, 8, 7)] == [True, True, False, False]


def test_a_hole_is_filled_from_any_side_and_each_id_counts_once() -> None:
    """Out of order, and over REST."""
    ids = TradeIds(10)
    assert ids.add(15)
    assert ids.gaps == [(10, 15)]
    assert [ids.add(trade_id) for trade_id in (12, 10, 14, 12)] == [True, True, True, False]
    assert (ids.gaps, ids.open_count, ids.skipped, ids.span) == ([(11, 12), (13, 14)], 2, 5, 6)


def test_what_is_given_up_is_counted_and_no_longer_waited_for() -> None:
    """Ids that the exchange does not know."""
    ids = TradeIds(10)
    ids.add(20)
    assert ids.give_up(12, 15) == 3
    assert (ids.gaps, ids.lost) == ([(10, 12), (15, 20)], 3)
    assert not ids.add(13)


def test_a_sequence_that_starts_anew_forgets_what_was_missing_of_the_old_one() -> None:
    """And counts it as lost."""
    ids = TradeIds(10)
    ids.add(15)
    ids.restart(1)
    assert [ids.add(1), ids.add(2), ids.gaps, ids.lost, ids.restarts] == [True, True, [], 5, [(16, 1)]]
    assert [ids.is_of_sequence(trade_id) for trade_id in (0, 1, 2, 3, 15)] == [False, True, True, False, False]


@given(st.permutations(range(100, 130)), st.lists(st.integers(100, 129)))
def test_in_any_order_with_any_repeats_every_id_is_taken_exactly_once(order: list[int], repeats: list[int]) -> None:
    """What counts is the set of ids from the first one on."""
    ids = TradeIds(100)
    taken = [trade_id for trade_id in order + repeats if ids.add(trade_id)]
    assert sorted(taken) == list(range(100, 130))
    assert ids.gaps == []
