"""What follows from one broker's view of partitions and controllers."""

import math

import pytest

from app.kafka_monitor.broker_view import BrokerView, PartitionState, Quorum


def _view(*partitions: tuple[int, str, str, int], broker: int = 0, brokers: str = "012") -> BrokerView:
    """Return a view; a partition is (leader, replicas, in-sync replicas, min.insync.replicas), nodes as digits."""
    return BrokerView(broker, _nodes(brokers), [
        PartitionState("t", number, leader, _nodes(replicas), _nodes(isr), min_isr)
        for number, (leader, replicas, isr, min_isr) in enumerate(partitions)
    ])  # fmt: skip


def _nodes(digits: str) -> frozenset[int]:
    return frozenset(map(int, digits))


@pytest.mark.parametrize(
    ("partition", "reason"),
    [
        ((0, "012", "012", 2), ""),
        ((0, "012", "01", 2), ""),  # one of the others is away: this one works
        ((0, "012", "0", 2), "fewer replicas than min.insync.replicas"),
        ((1, "012", "12", 2), "this broker is not in sync"),
        ((1, "012", "1", 2), "this broker is not in sync"),
        ((1, "12", "1", 2), ""),  # not its own
        ((-1, "12", "1", 1), ""),
        ((0, "0", "0", 1), ""),
    ],
)
def test_a_broker_is_ready_while_it_is_in_sync_and_what_it_leads_can_be_written(
    partition: tuple[int, str, str, int], reason: str
) -> None:
    """The reason names the partition."""
    found = _view(partition).not_ready_reason()
    assert found.startswith(reason)
    assert bool(found) == bool(reason)
    assert not found or "t/0" in found


@pytest.mark.parametrize(
    ("partition", "may_stop"),
    [
        ((0, "012", "012", 2), True),
        ((0, "012", "01", 2), False),
        ((1, "012", "12", 2), True),  # not in sync itself: nobody misses it
        ((0, "012", "01", 1), True),
        ((0, "01", "01", 2), True),  # waiting would not help: there are no more replicas
        ((0, "01", "0", 2), False),
        ((0, "0", "0", 1), True),
        ((1, "12", "1", 2), True),
    ],
)
def test_a_broker_may_stop_while_enough_others_are_in_sync(
    partition: tuple[int, str, str, int], may_stop: bool
) -> None:
    """Enough is min.insync.replicas, or all where there are fewer."""
    assert (_view(partition).stop_reason() == "") == may_stop


def test_partitions_are_counted_by_the_broker_that_leads_them() -> None:
    """So that each is counted once, however many brokers are asked."""
    view = _view((0, "012", "01", 2), (0, "012", "0", 2), (1, "012", "1", 2), (-1, "2", "2", 1), (0, "01", "01", 2))
    counts = tuple(map(len, (view.led, view.under_replicated, view.below_min_isr, view.out_of_sync, view.offline)))
    assert counts == (3, 2, 1, 1, 1)


def test_in_sync_replicas_that_leave_and_join_are_seen() -> None:
    """Per partition led here; one that was not known before has not changed."""
    before = _view((0, "012", "012", 2), (0, "012", "01", 2), (1, "012", "012", 2))
    after = _view((0, "012", "01", 2), (0, "012", "012", 2), (1, "012", "1", 2), (0, "012", "0", 2))
    assert after.isr_changes(before) == (1, 1)


@pytest.mark.parametrize(
    ("brokers", "partition", "alone"),
    [("0", (0, "0", "0", 1), True), ("0", (0, "01", "0", 1), False), ("01", (0, "0", "0", 1), False)],
)
def test_a_broker_is_alone_without_others_that_are_up_or_have_replicas(
    brokers: str, partition: tuple[int, str, str, int], alone: bool
) -> None:
    """A broker that lost its fellows is not alone: they may come back."""
    assert _view(partition, brokers=brokers).is_alone == alone


@pytest.mark.parametrize(
    ("leader", "caught_up_ms", "behind", "whole", "majority"),
    [
        (100, {100: 9000, 101: 8600, 102: 8400}, [], True, True),
        (100, {100: 9000, 101: 8600, 102: 5000}, [102], False, True),
        (100, {100: 9000, 101: -1, 102: 5000}, [101, 102], False, False),
        (-1, {100: 9000, 101: 9000, 102: 9000}, [100, 101, 102], False, False),
        (100, {100: 9000}, [], True, True),
    ],
)
def test_controllers_are_whole_when_all_have_caught_up(
    leader: int, caught_up_ms: dict[int, int], behind: list[int], whole: bool, majority: bool
) -> None:
    """Each is compared with the leader, by the leader's clock."""
    quorum = Quorum.of(leader, 1, caught_up_ms.items())
    assert (quorum.voters_behind, quorum.is_whole(), quorum.has_majority()) == (behind, whole, majority)


def test_a_controller_that_never_caught_up_is_behind_for_ever() -> None:
    """Its time is −1."""
    assert Quorum.of(100, 1, {100: 9000, 101: -1}.items()).behind_s == {100: 0.0, 101: math.inf}
