"""Trade ids without a hole."""

from hypothesis import given
from hypothesis import strategies as st

from app.domain.trade_ids import IMPLAUSIBLE_JUMP, RESYNC_AFTER, TradeIds


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


def test_a_jump_of_a_million_ids_is_not_believed() -> None:
    """A damaged frame must not move the sequence out of reach."""
    ids = TradeIds(10)
    assert ids.is_plausible(10 + IMPLAUSIBLE_JUMP - 1)
    assert not ids.is_plausible(10 + IMPLAUSIBLE_JUMP)


def test_a_stream_that_goes_on_far_away_is_believed_in_the_end() -> None:
    """Otherwise the symbol would stay silent for ever."""
    ids = TradeIds(10)
    answers = [ids.is_plausible(10**9 + more) for more in range(RESYNC_AFTER + 1)]
    assert answers == [False] * RESYNC_AFTER + [True]
    assert ids.add(10**9 + RESYNC_AFTER)
    assert ids.gaps == []


@given(st.permutations(range(100, 130)), st.lists(st.integers(100, 129)))
def test_in_any_order_with_any_repeats_every_id_is_taken_exactly_once(order: list[int], repeats: list[int]) -> None:
    """What counts is the set of ids from the first one on."""
    ids = TradeIds(100)
    taken = [trade_id for trade_id in order + repeats if ids.add(trade_id)]
    assert sorted(taken) == list(range(100, 130))
    assert ids.gaps == []
